#!/usr/bin/env python3
"""A client that has caught up after a full backlog is listed a second time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-3"


if __name__ == "__main__":
    borrow("twice_after_a_backlog")
