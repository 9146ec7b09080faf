#!/usr/bin/env python3
"""Nothing is dropped for a client that has closed its sending side, and that has a minute to read its backlog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import borrow

CAUGHT_BY = "CH-LOAD-2"


if __name__ == "__main__":
    borrow("half_closed_clients_have_no_bound")
