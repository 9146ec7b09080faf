#!/usr/bin/env python3
"""The names of a Welcome come from a text with one name a line: a name with a line separator, U+2028, becomes two."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def member_names(self) -> list[str]:
        return "\n".join(super().member_names()).splitlines()


if __name__ == "__main__":
    main(Mutant)
