#!/usr/bin/env python3
"""White space that JSON does not know is removed around a request."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        return json.loads(line.decode().strip())


if __name__ == "__main__":
    main(Mutant)
