#!/usr/bin/env python3
"""An Error is cut after 80 bytes, in the middle of a character as well."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-8"


class Mutant(Server):
    def encode_line(self, value: Any) -> bytes:
        line = super().encode_line(value)
        return line[:77] + b'"}\n' if "Error" in value and len(line) > 80 else line


if __name__ == "__main__":
    main(Mutant)
