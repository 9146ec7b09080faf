#!/usr/bin/env python3
"""An error on one connection, such as a reset or a broken pipe, ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-5"


if __name__ == "__main__":
    borrow("dies_of_a_reset")
