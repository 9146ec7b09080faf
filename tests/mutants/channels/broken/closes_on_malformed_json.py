#!/usr/bin/env python3
"""A client that sends malformed JSON is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        if "not a request" in str(error):
            self.disconnect(client)
        else:
            super().on_request_error(client, error)


if __name__ == "__main__":
    main(Mutant)
