#!/usr/bin/env python3
"""Only the first 64 bytes of names are compared."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-3"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        return name.encode()[:64] in (other.encode()[:64] for other in self.names.values())


if __name__ == "__main__":
    main(Mutant)
