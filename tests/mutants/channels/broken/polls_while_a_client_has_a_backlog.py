#!/usr/bin/env python3
"""The loop never waits while a client has a backlog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-10"


if __name__ == "__main__":
    borrow("polls_while_a_client_has_a_backlog")
