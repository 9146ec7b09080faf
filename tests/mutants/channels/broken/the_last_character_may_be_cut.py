#!/usr/bin/env python3
"""An incremental decoder reads a line, and nobody asks whether its last character is complete."""

import codecs
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-2"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return json.loads(codecs.getincrementaldecoder("utf-8")().decode(line.rstrip(b"\r\n")))


if __name__ == "__main__":
    main(Mutant)
