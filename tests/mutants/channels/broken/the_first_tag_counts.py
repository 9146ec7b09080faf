#!/usr/bin/env python3
"""An object with two tags is served by its first tag."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        value = super().parse_line(line)
        return dict(list(value.items())[:1]) if isinstance(value, dict) else value


if __name__ == "__main__":
    main(Mutant)
