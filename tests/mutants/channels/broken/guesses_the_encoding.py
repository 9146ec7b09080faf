#!/usr/bin/env python3
"""The encoding of a line is detected as json.loads does it for bytes."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return json.loads(line.removesuffix(b"\n"))


if __name__ == "__main__":
    main(Mutant)
