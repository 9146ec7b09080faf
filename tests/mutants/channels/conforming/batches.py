#!/usr/bin/env python3
"""Messages are collected for 20 ms and forwarded together."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

if __name__ == "__main__":
    borrow("batches")
