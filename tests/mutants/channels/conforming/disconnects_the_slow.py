#!/usr/bin/env python3
"""A client whose backlog is full is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

if __name__ == "__main__":
    borrow("disconnects_the_slow")
