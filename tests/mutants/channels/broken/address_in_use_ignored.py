#!/usr/bin/env python3
"""The ready line is printed even though the address is in use."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-11"


if __name__ == "__main__":
    borrow("address_in_use_ignored")
