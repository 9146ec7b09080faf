#!/usr/bin/env python3
"""An Error is sent without its LF."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-1"


class Mutant(Server):
    def encode_line(self, value: Any) -> bytes:
        return super().encode_line(value)[: -1 if "Error" in value else None]


if __name__ == "__main__":
    main(Mutant)
