#!/usr/bin/env python3
"""All names that a client has ever had are remembered."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.seen: set[str] = set()

    def admit(self, client: Client, name: str) -> None:
        self.seen.add(name)
        super().admit(client, name)


if __name__ == "__main__":
    main(Mutant)
