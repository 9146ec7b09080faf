#!/usr/bin/env python3
"""Messages are collected for 20 ms and forwarded together."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, main


class Variant(Batching):
    batch_s = 0.02


if __name__ == "__main__":
    main(Variant)
