#!/usr/bin/env python3
"""The first high surrogate is taken for a lone one, although a low one follows."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-5"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        if re.search(rb"(?i)\\ud800\\ud[c-f]", line):
            raise ValueError("a lone surrogate")
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
