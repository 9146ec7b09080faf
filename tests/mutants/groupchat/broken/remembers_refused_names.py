#!/usr/bin/env python3
"""All names that were refused to a client because it was in the room already are remembered."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.wanted: set[str] = set()

    def on_join(self, client: Client, name: str) -> None:
        if client in self.names:
            self.wanted.add(name)
        super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
