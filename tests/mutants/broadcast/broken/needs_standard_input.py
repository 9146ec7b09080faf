#!/usr/bin/env python3
"""The server quits when its standard input is closed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-13"


class Mutant(Server):
    def start(self) -> None:
        if sys.stdin is None:
            sys.exit("standard input is closed")
        super().start()


if __name__ == "__main__":
    main(Mutant)
