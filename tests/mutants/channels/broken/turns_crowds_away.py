#!/usr/bin/env python3
"""When more than 100 clients connect within 100 ms, the rest are disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-9"


if __name__ == "__main__":
    borrow("turns_crowds_away")
