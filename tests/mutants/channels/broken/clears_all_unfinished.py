#!/usr/bin/env python3
"""When a client leaves in the middle of a message, the unfinished messages of all clients are discarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-2"


if __name__ == "__main__":
    borrow("clears_all_unfinished")
