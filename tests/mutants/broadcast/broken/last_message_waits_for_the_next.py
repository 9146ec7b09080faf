#!/usr/bin/env python3
"""The last message of a sender is forwarded only when its next one arrives, or when it leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.held: dict[Client, bytes] = {}

    def on_message(self, client: Client, message: bytes) -> None:
        if earlier := self.held.get(client):
            super().on_message(client, earlier)
        self.held[client] = message

    def on_end(self, client: Client) -> None:
        if earlier := self.held.pop(client, b""):
            super().on_message(client, earlier)
        super().on_end(client)


if __name__ == "__main__":
    main(Mutant)
