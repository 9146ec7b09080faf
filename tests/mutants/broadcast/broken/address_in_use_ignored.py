#!/usr/bin/env python3
"""The ready line is printed even though the address is in use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-11"


class Mutant(Server):
    def start(self) -> None:
        try:
            super().start()
        except OSError:
            self.announce()


if __name__ == "__main__":
    main(Mutant)
