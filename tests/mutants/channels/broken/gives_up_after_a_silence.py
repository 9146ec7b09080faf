#!/usr/bin/env python3
"""All clients are disconnected when none of them has sent anything for 3 s."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-6"


if __name__ == "__main__":
    borrow("gives_up_after_a_silence")
