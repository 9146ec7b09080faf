#!/usr/bin/env python3
"""Nagle's algorithm stays on, so small messages wait for acknowledgements."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    no_delay = False


if __name__ == "__main__":
    main(Variant)
