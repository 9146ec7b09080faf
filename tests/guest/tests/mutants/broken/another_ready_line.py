#!/usr/bin/env python3
"""The ready line begins with a capital."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lines_protocol"))
import server

CAUGHT_BY = "LN-START-1"

server.ready_line = lambda address: f"Listening on {address}"

if __name__ == "__main__":
    server.main()
