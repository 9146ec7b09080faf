#!/usr/bin/env python3
"""Notices are dropped, as texts are, when 64 frames are queued for a client."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-ROOM-4"


class Mutant(Server):
    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        if client.number not in self.clients or len(client.backlog) < 64:
            super().enqueue_reliably(client, data)


if __name__ == "__main__":
    main(Mutant)
