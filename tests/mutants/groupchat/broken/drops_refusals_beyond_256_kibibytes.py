#!/usr/bin/env python3
"""Refused is dropped while 256 KiB are queued, as texts are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-ROOM-4"


class Mutant(Server):
    def refuse(self, client: Client, reason: str) -> None:
        if client.backlog_bytes < 262_144:
            super().refuse(client, reason)


if __name__ == "__main__":
    main(Mutant)
