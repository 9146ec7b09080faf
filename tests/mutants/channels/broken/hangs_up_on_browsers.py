#!/usr/bin/env python3
"""A client that sends a line of HTTP, POST or Host, is disconnected, as an attacker who lets a browser send them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if message.startswith((b"POST ", b"Host:")):
            self.disconnect(client)
        else:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
