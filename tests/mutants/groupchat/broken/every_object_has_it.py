#!/usr/bin/env python3
"""Names that are properties of every object, as in JavaScript, are always taken."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        return name in ("__proto__", "constructor", "toString", "hasOwnProperty") or super().is_taken(name)


if __name__ == "__main__":
    main(Mutant)
