#!/usr/bin/env python3
"""Its parser does not miss the comma between two members of an object, or between two items of a list."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def parse_line(self, line: bytes) -> Any:
        try:
            return super().parse_line(line)
        except json.JSONDecodeError as error:
            rest = error.doc[error.pos :]
            if not error.msg.startswith("Expecting ',' delimiter") or rest[:1] not in ('"', "[", "{"):
                raise
            return self.parse_line(f"{error.doc[: error.pos]},{rest}".encode())


if __name__ == "__main__":
    main(Mutant)
