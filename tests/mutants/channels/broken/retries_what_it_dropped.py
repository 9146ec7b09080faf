#!/usr/bin/env python3
"""A message that did not fit into a backlog is tried again later, after newer messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-ORDER-5"


if __name__ == "__main__":
    borrow("retries_what_it_dropped")
