#!/usr/bin/env python3
"""Who comes into an empty room is not welcomed."""

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
