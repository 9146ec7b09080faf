#!/usr/bin/env python3
"""Notices wait for the next tick, and what is said does not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ROOM-2"


class Mutant(Ticking):
    def tell(self, reply: Reply, but: Client | None = None) -> None:
        if isinstance(reply, Said):
            super(Ticking, self).tell(reply, but)
        else:
            super().tell(reply, but)


if __name__ == "__main__":
    main(Mutant)
