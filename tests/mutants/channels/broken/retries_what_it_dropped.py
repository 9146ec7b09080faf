#!/usr/bin/env python3
"""A message for which there was no room is tried again later, after younger ones."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-ORDER-5"


if __name__ == "__main__":
    borrow("retries_what_it_dropped")
