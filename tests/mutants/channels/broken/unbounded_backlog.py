#!/usr/bin/env python3
"""The backlog of a client that does not read grows without bound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-2"


if __name__ == "__main__":
    borrow("unbounded_backlog")
