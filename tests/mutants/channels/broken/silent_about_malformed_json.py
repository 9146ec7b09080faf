#!/usr/bin/env python3
"""An invalid request is ignored instead of being answered by an Error."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        if "not a request" not in str(error):
            super().on_request_error(client, error)


if __name__ == "__main__":
    main(Mutant)
