#!/usr/bin/env python3
"""Names are compared by a hash of 32 bits, in which "Aa" is "BB"."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-NAME-3"


class Mutant(Server):
    def is_taken(self, name: str) -> bool:
        return any(hash_of(name) == hash_of(other) for other in self.names.values())


def hash_of(name: str) -> int:
    value = 0
    for character in name:
        value = (31 * value + ord(character)) % 2**32
    return value


if __name__ == "__main__":
    main(Mutant)
