#!/usr/bin/env python3
"""Notices are collected in batches, but texts are sent immediately and overtake them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ROOM-2"


class Mutant(Batching):
    def broadcast(self, reply: Reply, exclude: Client | None = None) -> None:
        if isinstance(reply, Said):
            super(Batching, self).broadcast(reply, exclude)
        else:
            super().broadcast(reply, exclude)


if __name__ == "__main__":
    main(Mutant)
