#!/usr/bin/env python3
"""Blanks around an address and the sign of its port are ignored."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        return super().parse(address.strip().replace(": ", ":").replace(":+", ":").replace(":-", ":"))


if __name__ == "__main__":
    main(Mutant)
