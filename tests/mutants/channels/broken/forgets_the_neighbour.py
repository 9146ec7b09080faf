#!/usr/bin/env python3
"""When a client leaves, the client that joined next after it receives nothing more."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-1"


if __name__ == "__main__":
    borrow("forgets_the_neighbour")
