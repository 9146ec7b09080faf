#!/usr/bin/env python3
"""The first client in an empty room gets no Welcome."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Welcome

CAUGHT_BY = "GC-JOIN-1"


class Mutant(Server):
    def answer(self, client: Client, reply: Reply) -> None:
        if reply != Welcome([]):
            super().answer(client, reply)


if __name__ == "__main__":
    main(Mutant)
