#!/usr/bin/env python3
"""The wording of the ready line is not the required one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-1"


if __name__ == "__main__":
    borrow("other_ready_line")
