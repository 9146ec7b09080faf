#!/usr/bin/env python3
"""A client that has closed its sending side has ten seconds to read its backlog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Draining, main

if __name__ == "__main__":
    main(Draining)
