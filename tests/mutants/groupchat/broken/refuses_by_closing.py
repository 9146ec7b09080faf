#!/usr/bin/env python3
"""A client that sends an invalid request is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        try:
            self.parse_request(message)
        except DecodeError:
            self.disconnect(client)
        else:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
