#!/usr/bin/env python3
"""Messages are handled 50 ms later, unless their sender has left by then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-3"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        self.call_later(0.05, lambda: self.handle(client, message))

    def handle(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            self.fan_out(client, message)


if __name__ == "__main__":
    main(Mutant)
