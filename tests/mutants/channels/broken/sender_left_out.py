#!/usr/bin/env python3
"""A message is forwarded to all clients except its sender."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-1"


if __name__ == "__main__":
    borrow("sender_left_out")
