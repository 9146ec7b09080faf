#!/usr/bin/env python3
"""A sender's messages are sometimes held back for one receiver while other messages overtake them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-ORDER-3"


if __name__ == "__main__":
    borrow("answer_before_question")
