#!/usr/bin/env python3
"""A joining client also receives its own Joined."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply

CAUGHT_BY = "GC-JOIN-3"


class Mutant(Server):
    def broadcast(self, reply: Reply, exclude: Client | None = None) -> None:
        super().broadcast(reply)


if __name__ == "__main__":
    main(Mutant)
