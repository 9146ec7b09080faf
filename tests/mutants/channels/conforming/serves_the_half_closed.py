#!/usr/bin/env python3
"""A client that has closed its sending side is served until writing to it fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

if __name__ == "__main__":
    borrow("serves_the_half_closed")
