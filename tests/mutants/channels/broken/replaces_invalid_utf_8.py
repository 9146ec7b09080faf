#!/usr/bin/env python3
"""Bytes that are not valid UTF-8 are replaced by U+FFFD."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-2"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return json.loads(line.decode(errors="replace"))


if __name__ == "__main__":
    main(Mutant)
