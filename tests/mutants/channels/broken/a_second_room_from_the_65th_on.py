#!/usr/bin/env python3
"""The 65th and all later clients are in a separate room."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-DELIVER-10"


if __name__ == "__main__":
    borrow("a_second_room_from_the_65th_on")
