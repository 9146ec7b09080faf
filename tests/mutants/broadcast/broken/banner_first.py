#!/usr/bin/env python3
"""A line with the name of the server is printed before the ready line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-1"


class Mutant(Server):
    def announce(self) -> None:
        print("broadcast 1.0", flush=True)
        super().announce()


if __name__ == "__main__":
    main(Mutant)
