#!/usr/bin/env python3
"""The server ends when its last client has left."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-COME-7"


if __name__ == "__main__":
    borrow("ends_with_its_last_client")
