#!/usr/bin/env python3
"""Clients have 16-bit numbers: the 65,537th takes the place of the first."""

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.numbers = (number & 0xFFFF for number in count())


if __name__ == "__main__":
    main(Mutant)
