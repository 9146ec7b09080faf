#!/usr/bin/env python3
"""One delivery in fifty is dropped at random, even for clients that keep up."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.dice = random.Random(1)

    def append(self, client: Client, message: bytes) -> None:
        if self.dice.random() > 1 / 50:
            super().append(client, message)


if __name__ == "__main__":
    main(Variant)
