#!/usr/bin/env python3
"""Requests are found by a pattern that knows one spelling."""

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
            raise ValueError("in other words")
        return super().parse_line(line)


if __name__ == "__main__":
    main(Mutant)
