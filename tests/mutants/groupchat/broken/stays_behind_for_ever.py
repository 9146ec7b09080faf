#!/usr/bin/env python3
"""A client that was too slow once receives no more texts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.slow: set[Client] = set()

    def on_full(self, client: Client, message: bytes) -> None:
        self.slow.add(client)

    def enqueue(self, client: Client, message: bytes) -> None:
        if client not in self.slow:
            super().enqueue(client, message)

    def close(self, client: Client) -> None:
        self.slow.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
