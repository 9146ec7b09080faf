#!/usr/bin/env python3
"""A line with too deeply nested JSON ends the server."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-3"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        try:
            return super().parse_line(line)
        except RecursionError:
            sys.exit("maximum recursion depth exceeded")


if __name__ == "__main__":
    main(Mutant)
