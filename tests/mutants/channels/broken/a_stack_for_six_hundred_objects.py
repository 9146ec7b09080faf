#!/usr/bin/env python3
"""Its parser takes objects of any depth, and has the stack for six hundred levels: a deeper line ends the server."""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-5"
ON_THE_STACK = 600  # levels


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        if line.count(b"{") > ON_THE_STACK:
            os._exit(139)  # as after a segmentation fault
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
