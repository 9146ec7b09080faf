#!/usr/bin/env python3
"""The name of a client whose connection was reset stays taken."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.lost: set[str] = set()

    def is_taken(self, name: str) -> bool:
        return name in self.lost or super().is_taken(name)

    def on_error(self, client: Client, error: OSError) -> None:
        self.lost.add(self.names.get(client, ""))
        super().on_error(client, error)


if __name__ == "__main__":
    main(Mutant)
