#!/usr/bin/env python3
"""`each.py`, with a `drain()` after every write."""

import asyncio
import sys

from each import main

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], drained=True))
