#!/usr/bin/env python3
"""NaN and Infinity are taken for JSON, as Python's parser does unless it is told not to."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def refuse(self, constant: str) -> None:
        pass


if __name__ == "__main__":
    main(Mutant)
