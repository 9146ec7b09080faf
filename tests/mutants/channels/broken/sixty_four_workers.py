#!/usr/bin/env python3
"""Each unfinished message occupies one of 64 workers; when all are occupied, no other client is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-6"


if __name__ == "__main__":
    borrow("sixty_four_workers")
