#!/usr/bin/env python3
"""An unfinished message keeps one of 64 workers; without one nobody is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-6"


if __name__ == "__main__":
    borrow("sixty_four_workers")
