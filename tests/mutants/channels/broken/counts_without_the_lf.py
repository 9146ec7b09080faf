#!/usr/bin/env python3
"""The longest accepted line is one byte too short."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import MAX_LINE, Server, main

CAUGHT_BY = "CH-LINE-7"


class Mutant(Server):
    max_line = MAX_LINE - 1


if __name__ == "__main__":
    main(Mutant)
