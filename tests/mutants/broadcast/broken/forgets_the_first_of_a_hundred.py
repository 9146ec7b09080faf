#!/usr/bin/env python3
"""When a hundred clients have left, the oldest remaining client receives nothing more."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    left = 0

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: set[int] = set()

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if client.number not in self.forgotten]

    def close(self, client: Client) -> None:
        super().close(client)
        self.forgotten.discard(client.number)
        self.left += 1
        if self.left == 100:
            self.forgotten.update(list(self.clients)[:1])


if __name__ == "__main__":
    main(Mutant)
