#!/usr/bin/env python3
"""A worker process is not stopped with the server and outlives it by minutes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-END-3"


if __name__ == "__main__":
    borrow("leaves_a_child")
