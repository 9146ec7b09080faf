#!/usr/bin/env python3
"""A line that ends with CR LF is rejected."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-4"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        if line.endswith(b"\r\n"):
            raise ValueError("a CR")
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
