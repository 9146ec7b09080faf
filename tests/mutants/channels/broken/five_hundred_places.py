#!/usr/bin/env python3
"""The server disconnects every client that connects when 500 are connected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-7"


if __name__ == "__main__":
    borrow("five_hundred_places")
