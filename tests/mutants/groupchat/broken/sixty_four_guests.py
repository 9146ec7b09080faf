#!/usr/bin/env python3
"""Nobody is accepted while there are sixty-four guests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import PAUSE_S, Server, main

CAUGHT_BY = "GC-LOAD-6"


class Mutant(Server):
    def accept_one(self) -> bool:
        if len(self.clients) - len(self.names) >= 64:
            self.pause_accepting(PAUSE_S)
            return False
        return super().accept_one()


if __name__ == "__main__":
    main(Mutant)
