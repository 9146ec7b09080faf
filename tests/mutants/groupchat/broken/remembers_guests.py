#!/usr/bin/env python3
"""A guest that has never joined stays in a table when it leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.history: list[bytes] = []

    def disconnect(self, client: Client) -> None:
        if self.is_connected(client) and client not in self.names:
            self.history.append(bytes(5000))
        super().disconnect(client)


if __name__ == "__main__":
    main(Mutant)
