#!/usr/bin/env python3
"""The ready line stays in the output buffer until the server ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-3"


if __name__ == "__main__":
    borrow("ready_line_not_flushed")
