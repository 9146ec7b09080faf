#!/usr/bin/env python3
"""The LF behind an Error is forgotten."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-1"


class Mutant(Server):
    def line(self, value: Any) -> bytes:
        return super().line(value)[: -1 if "Error" in value else None]


if __name__ == "__main__":
    main(Mutant)
