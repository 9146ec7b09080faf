#!/usr/bin/env python3
"""A client that was refused a name is refused every other name as well."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.tried: set[Client] = set()

    def on_join(self, client: Client, name: str) -> None:
        if client in self.tried:
            self.refuse(client, "you have asked for a name before")
        else:
            self.tried.add(client)
            super().on_join(client, name)

    def close(self, client: Client) -> None:
        self.tried.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
