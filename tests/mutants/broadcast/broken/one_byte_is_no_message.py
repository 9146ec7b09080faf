#!/usr/bin/env python3
"""A single byte is not looked at until more arrives."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    def complete_length(self, data: bytes | bytearray) -> int:
        end, size = 0, len(data)
        while size - end > 1 and end + data[end] < size:
            end += 1 + data[end]
        return end


if __name__ == "__main__":
    main(Mutant)
