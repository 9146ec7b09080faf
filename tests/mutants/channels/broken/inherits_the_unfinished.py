#!/usr/bin/env python3
"""Parse buffers belong to descriptors: a client that gets a reused one inherits its unfinished input."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-2"


if __name__ == "__main__":
    borrow("inherits_the_unfinished")
