#!/usr/bin/env python3
"""The rest of a partial write is taken for sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LINE-12"


if __name__ == "__main__":
    borrow("rest_of_a_write_lost")
