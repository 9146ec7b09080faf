#!/usr/bin/env python3
"""The last message of a sender is forwarded only when its next one arrives."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.held: dict[Client, tuple[str, str]] = {}

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if earlier := self.held.get(client):
            super().on_send(client, *earlier)
        self.held[client] = (channel, message)


if __name__ == "__main__":
    main(Mutant)
