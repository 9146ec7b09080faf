#!/usr/bin/env python3
"""The server waits until a client has taken its messages, and serves no other client meanwhile."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-1"


if __name__ == "__main__":
    borrow("blocking_send")
