#!/usr/bin/env python3
"""A notice or an answer is dropped while a thousand replies wait."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-ROOM-4"


class Mutant(Server):
    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        if len(client.backlog) < 1000:
            super().enqueue_reliably(client, data)


if __name__ == "__main__":
    main(Mutant)
