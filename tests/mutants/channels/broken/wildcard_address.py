#!/usr/bin/env python3
"""The host of the address is ignored, and the server listens on the wildcard address."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-START-7"


if __name__ == "__main__":
    borrow("wildcard_address")
