#!/usr/bin/env python3
"""After five thousand texts a client is told nothing more."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.told: Counter[int] = Counter()

    def enqueue(self, client: Client, message: bytes) -> None:
        self.told[client.number] += 1
        if self.told[client.number] <= 5000:
            super().enqueue(client, message)

    def close(self, client: Client) -> None:
        del self.told[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
