#!/usr/bin/env python3
"""The two-byte length is taken for a signed number."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-FRAME-1"


class Mutant(Server):
    def length(self, data: bytes | bytearray, start: int) -> int:
        return max(0, int.from_bytes(data[start : start + 2], "big", signed=True))


if __name__ == "__main__":
    main(Mutant)
