#!/usr/bin/env python3
"""Escapes in strings are not decoded, and are escaped again in the output."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-5"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        super().parse_line(line)
        return super().parse_line(line.replace(b"\\u", b"\\\\u"))


if __name__ == "__main__":
    main(Mutant)
