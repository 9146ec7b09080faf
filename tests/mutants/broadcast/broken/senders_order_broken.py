#!/usr/bin/env python3
"""Of messages that one client sends in a hurry, one in fifty is overtaken by the next."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-ORDER-1"


class Mutant(Server):
    one_by_one = True
    count = 0

    def messages(self, whole: bytes) -> list[bytes]:
        found = super().messages(whole)
        for i in range(len(found) - 1):
            self.count += 1
            if self.count % 50 == 0:
                found[i], found[i + 1] = found[i + 1], found[i]
        return found


if __name__ == "__main__":
    main(Mutant)
