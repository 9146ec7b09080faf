#!/usr/bin/env python3
"""The server is ready and says so, but in words of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-1"


if __name__ == "__main__":
    borrow("says_it_in_other_words")
