#!/usr/bin/env python3
"""The names of a Welcome come from a list with commas between them: a name with a comma becomes two."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def member_names(self) -> list[str]:
        names = super().member_names()
        return ",".join(names).split(",") if names else []


if __name__ == "__main__":
    main(Mutant)
