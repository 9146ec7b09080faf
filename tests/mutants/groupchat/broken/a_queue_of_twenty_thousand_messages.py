#!/usr/bin/env python3
"""Messages are dropped while 20,000 wait, however long they are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-2"


class Mutant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return len(client.backlog) >= 20_000


if __name__ == "__main__":
    main(Mutant)
