#!/usr/bin/env python3
"""At the end of a client's stream, the server forgets the connection but does not close it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-8"


if __name__ == "__main__":
    borrow("never_closes_its_side")
