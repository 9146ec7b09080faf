#!/usr/bin/env python3
"""A client that sends an integer of more than 4300 digits is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-ERROR-3"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        if "digits" in str(error):
            self.disconnect(client)
        else:
            super().on_request_error(client, error)


if __name__ == "__main__":
    main(Mutant)
