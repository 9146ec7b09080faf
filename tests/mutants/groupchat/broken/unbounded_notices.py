#!/usr/bin/env python3
"""Texts are dropped for a client that does not read, but notices are kept for it without bound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-2"


class Mutant(Server):
    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        self.append(client, bytes(bytearray(data)))  # each client has a copy of its own


if __name__ == "__main__":
    main(Mutant)
