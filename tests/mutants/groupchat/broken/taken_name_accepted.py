#!/usr/bin/env python3
"""Two clients may have the same name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-JOIN-4"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        return False


if __name__ == "__main__":
    main(Mutant)
