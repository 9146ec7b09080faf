#!/usr/bin/env python3
"""A full backlog is cleared, including the message that was partly written."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LINE-12"


if __name__ == "__main__":
    borrow("backlog_cleared")
