#!/usr/bin/env python3
"""At the end of a client's stream, the server forgets the connection but does not close it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: list[Client] = []

    def close(self, client: Client) -> None:
        self.forgotten.append(client)


if __name__ == "__main__":
    main(Mutant)
