#!/usr/bin/env python3
"""Names of digits are keys of a table of numbers: "01" is the channel "1"."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def check_encodable(self, text: str) -> str:
        return str(int(text)) if text.isdecimal() and text.isascii() else super().check_encodable(text)


if __name__ == "__main__":
    main(Mutant)
