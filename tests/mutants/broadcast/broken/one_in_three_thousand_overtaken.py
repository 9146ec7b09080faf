#!/usr/bin/env python3
"""One message in three thousand is overtaken by the next of its sender, when that came with it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-ORDER-1"


class Mutant(Server):
    one_by_one = True
    count = 0
    due = False

    def messages(self, whole: bytes) -> list[bytes]:
        found = super().messages(whole)
        self.due |= self.count // 3000 < (self.count + len(found)) // 3000
        self.count += len(found)
        if self.due and len(found) > 1:
            self.due = False
            found[-2:] = reversed(found[-2:])
        return found


if __name__ == "__main__":
    main(Mutant)
