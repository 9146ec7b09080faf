#!/usr/bin/env python3
"""A client that has a full backlog is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

LAWFUL = True


if __name__ == "__main__":
    borrow("disconnects_the_slow")
