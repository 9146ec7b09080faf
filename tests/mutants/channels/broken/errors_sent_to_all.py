#!/usr/bin/env python3
"""An Error is sent to all clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-ERROR-6"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        for other in list(self.clients.values()):
            super().on_request_error(other, error)


if __name__ == "__main__":
    main(Mutant)
