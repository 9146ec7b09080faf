#!/usr/bin/env python3
"""When nobody has said anything for 3 s, everybody is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-6"


if __name__ == "__main__":
    borrow("gives_up_after_a_silence")
