#!/usr/bin/env python3
"""Names of digits are keys of a table of numbers: with "1" in the room, "01" is taken."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-3"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        if name.isdecimal() and name.isascii():
            return str(int(name)) in (str(int(other)) for other in self.names.values() if other.isdecimal())
        return super().is_taken(name)


if __name__ == "__main__":
    main(Mutant)
