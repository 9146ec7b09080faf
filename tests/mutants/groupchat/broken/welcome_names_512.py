#!/usr/bin/env python3
"""Welcome names at most 512 members."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-JOIN-2"


class Mutant(Server):
    def member_names(self) -> list[str]:
        return super().member_names()[:512]


if __name__ == "__main__":
    main(Mutant)
