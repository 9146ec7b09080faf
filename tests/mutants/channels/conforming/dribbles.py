#!/usr/bin/env python3
"""Output is written in pieces of 1 to 7 bytes, or larger odd sizes while the backlog is large."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

if __name__ == "__main__":
    borrow("dribbles")
