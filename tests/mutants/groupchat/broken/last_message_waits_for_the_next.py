#!/usr/bin/env python3
"""The last message of a sender is forwarded only when its next one arrives."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.held: dict[Client, tuple[str]] = {}

    def on_say(self, client: Client, text: str) -> None:
        if earlier := self.held.get(client):
            super().on_say(client, *earlier)
        self.held[client] = (text,)


if __name__ == "__main__":
    main(Mutant)
