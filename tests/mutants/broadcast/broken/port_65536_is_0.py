#!/usr/bin/env python3
"""65536 is taken for a port, and is port 0."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        return super().parse(re.sub(r":65536$", ":0", address))


if __name__ == "__main__":
    main(Mutant)
