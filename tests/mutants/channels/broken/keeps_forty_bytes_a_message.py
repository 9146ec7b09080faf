#!/usr/bin/env python3
"""The server keeps forty bytes for every message it has forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-11"


if __name__ == "__main__":
    borrow("keeps_forty_bytes_a_message")
