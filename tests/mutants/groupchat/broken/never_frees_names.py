#!/usr/bin/env python3
"""A name that has been used once stays taken for ever."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.ever: set[str] = set()

    def is_taken(self, name: str) -> bool:
        return name in self.ever

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        self.ever.add(name)


if __name__ == "__main__":
    main(Mutant)
