#!/usr/bin/env python3
"""Replies are spread over several lines."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-LINE-1"


class Mutant(Server):
    def encode_line(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


if __name__ == "__main__":
    main(Mutant)
