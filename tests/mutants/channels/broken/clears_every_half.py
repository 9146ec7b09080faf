#!/usr/bin/env python3
"""A client that leaves in the middle of a message takes everybody's unfinished messages with it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-2"


if __name__ == "__main__":
    borrow("clears_every_half")
