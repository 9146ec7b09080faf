#!/usr/bin/env python3
"""The only thread waits for the rest of an unfinished message."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LINE-10"


if __name__ == "__main__":
    borrow("waits_for_the_body")
