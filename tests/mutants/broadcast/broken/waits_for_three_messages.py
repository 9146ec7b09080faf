#!/usr/bin/env python3
"""Messages are forwarded three at a time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.held: list[tuple[Client, bytes]] = []

    def on_message(self, client: Client, message: bytes) -> None:
        self.held.append((client, message))
        if len(self.held) >= 3:
            for sender, held in self.held:
                super().on_message(sender, held)
            self.held.clear()


if __name__ == "__main__":
    main(Mutant)
