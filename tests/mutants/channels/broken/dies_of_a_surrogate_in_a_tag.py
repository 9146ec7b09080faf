#!/usr/bin/env python3
"""A lone surrogate in an unknown tag is quoted in the Error, which cannot be encoded: the server ends."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import RequestError, Server, main

CAUGHT_BY = "CH-ERROR-5"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        value = super().parse_line(line)
        if isinstance(value, dict) and len(value) == 1 and not value.keys() & {"Send", "Subscribe"}:
            raise RequestError(f"unknown variant {next(iter(value))}")
        return value


if __name__ == "__main__":
    main(Mutant)
