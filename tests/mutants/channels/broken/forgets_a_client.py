#!/usr/bin/env python3
"""A client receives nothing more after 5,000 messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-8"


if __name__ == "__main__":
    borrow("forgets_a_client")
