#!/usr/bin/env python3
"""One message in a thousand is delivered twice to one of the clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-2"


if __name__ == "__main__":
    borrow("rare_duplicates")
