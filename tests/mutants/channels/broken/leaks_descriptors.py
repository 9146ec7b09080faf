#!/usr/bin/env python3
"""Connections of clients that leave are shut down but never closed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-6"


if __name__ == "__main__":
    borrow("leaks_descriptors")
