#!/usr/bin/env python3
"""A second Join frees the name of its client, although it is refused."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.freed: set[str] = set()

    def on_join(self, client: Client, name: str) -> None:
        if client in self.names:
            self.freed.add(self.names[client])
        super().on_join(client, name)

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        self.freed.discard(name)

    def is_taken(self, name: str) -> bool:
        return name not in self.freed and super().is_taken(name)


if __name__ == "__main__":
    main(Mutant)
