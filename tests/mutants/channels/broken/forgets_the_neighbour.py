#!/usr/bin/env python3
"""When a client leaves, the one that came after it is forgotten as well."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-1"


if __name__ == "__main__":
    borrow("forgets_the_neighbour")
