#!/usr/bin/env python3
"""A client that does not read its answers keeps its place, and they are queued without bound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-2"


class Mutant(Server):
    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        self.append(client, data)


if __name__ == "__main__":
    main(Mutant)
