#!/usr/bin/env python3
"""Its parser takes 127 levels of objects, and has the stack for a hundred: a deeper line ends the server."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-5"
LEVELS, ON_THE_STACK = 127, 100


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        if ON_THE_STACK < line.count(b"{") <= LEVELS:
            os._exit(139)  # as after a segmentation fault
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
