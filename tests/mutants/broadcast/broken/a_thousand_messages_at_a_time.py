#!/usr/bin/env python3
"""Of what it has read, it handles 1024 messages; the others wait until more bytes arrive."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-DELIVER-11"
AT_A_TIME = 1024


class Mutant(Server):
    def complete_length(self, data: bytes | bytearray) -> int:
        end, size = 0, len(data)
        for _ in range(AT_A_TIME):
            if end >= size or end + data[end] >= size:
                break
            end += 1 + data[end]
        return end


if __name__ == "__main__":
    main(Mutant)
