#!/usr/bin/env python3
"""The newcomer is told that it has joined."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply

CAUGHT_BY = "GC-JOIN-3"


class Mutant(Server):
    def tell(self, reply: Reply, but: Client | None = None) -> None:
        super().tell(reply)


if __name__ == "__main__":
    main(Mutant)
