#!/usr/bin/env python3
"""A reset while somebody else is slow to read makes the server deaf for ever."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-END-5"


if __name__ == "__main__":
    borrow("deaf_after_a_bad_day")
