#!/usr/bin/env python3
"""The ready line is printed 0.3 s before the server listens."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-2"


if __name__ == "__main__":
    borrow("ready_before_it_listens")
