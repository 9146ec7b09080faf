#!/usr/bin/env python3
"""Bytes that are not UTF-8 are accepted in fields that it ignores."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-2"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        try:
            return super().parse_line(line)
        except UnicodeDecodeError:
            match json.loads(line.decode(errors="replace")):
                case {"Send": {"channel": str(channel), "message": str(message)}} if "\ufffd" not in channel + message:
                    return {"Send": {"channel": channel, "message": message}}
            raise


if __name__ == "__main__":
    main(Mutant)
