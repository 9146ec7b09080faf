#!/usr/bin/env python3
"""A message with a lone surrogate ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-ERROR-5"


class Mutant(Server):
    def check_encodable(self, text: str) -> str:
        return text


if __name__ == "__main__":
    main(Mutant)
