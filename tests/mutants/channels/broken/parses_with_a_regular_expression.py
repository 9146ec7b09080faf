#!/usr/bin/env python3
"""Requests are matched with a regular expression that accepts only one spelling."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-4"


SPELLING = re.compile(rb'\{"(Subscribe":"|Send":\{"channel":").*\}\r?\n')


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        if line.startswith(b'{"') and not SPELLING.fullmatch(line) and b'"Se' in line:
            raise ValueError("unknown spelling")
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
