#!/usr/bin/env python3
"""The address is checked with a regular expression whose $ also matches before a line end."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        return super().parse(address.removesuffix("\n"))


if __name__ == "__main__":
    main(Mutant)
