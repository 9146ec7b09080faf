#!/usr/bin/env python3
"""What follows NUL on a line is ignored."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return super().parse_line(line.partition(b"\0")[0])


if __name__ == "__main__":
    main(Mutant)
