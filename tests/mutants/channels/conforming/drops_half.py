#!/usr/bin/env python3
"""Half of all messages are dropped at random."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.dice = random.Random(1)

    def enqueue(self, client: Client, message: bytes) -> None:
        if self.dice.random() < 0.5:
            super().enqueue(client, message)


if __name__ == "__main__":
    main(Variant)
