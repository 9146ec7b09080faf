#!/usr/bin/env python3
"""The numbers of clients have 16 bits, and are used once: when all have been used, nobody is accepted any more."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-DELIVER-8"
NUMBERS = 1 << 16


class Mutant(Server):
    accepted = 0

    def accept_one(self) -> bool:
        if self.accepted == NUMBERS:
            self.selector.unregister(self.listener)
            return False
        self.accepted += 1
        return super().accept_one()

    def pause_accepting(self, seconds: float) -> None:
        self.accepted -= 1
        super().pause_accepting(seconds)


if __name__ == "__main__":
    main(Mutant)
