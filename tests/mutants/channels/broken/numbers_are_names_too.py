#!/usr/bin/env python3
"""A number is accepted as the name in Subscribe."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        value = super().parse_line(line)
        if isinstance(value, dict) and isinstance(value.get("Subscribe"), int):
            return {"Subscribe": str(value["Subscribe"])}
        return value


if __name__ == "__main__":
    main(Mutant)
