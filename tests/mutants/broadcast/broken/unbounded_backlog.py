#!/usr/bin/env python3
"""The backlog of a client that does not read grows without bound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return False


if __name__ == "__main__":
    main(Mutant)
