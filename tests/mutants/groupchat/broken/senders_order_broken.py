#!/usr/bin/env python3
"""Now and then two texts of one sender change places."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-ORDER-1"


class Mutant(Server):
    count = 0

    def messages(self, whole: bytes) -> list[bytes]:
        found = super().messages(whole)
        for place in range(1, len(found) - 1):
            self.count += 1
            if self.count % 50 == 0:
                found[place], found[place + 1] = found[place + 1], found[place]
        return found


if __name__ == "__main__":
    main(Mutant)
