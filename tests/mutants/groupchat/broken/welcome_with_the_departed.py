#!/usr/bin/env python3
"""Welcome contains the names of all clients that have ever joined."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.ever: dict[str, None] = {}

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        self.ever[name] = None

    def member_names(self) -> list[str]:
        return list(self.ever)


if __name__ == "__main__":
    main(Mutant)
