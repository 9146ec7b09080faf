#!/usr/bin/env python3
"""Arguments after the first are ignored, and without any the address is 127.0.0.1:0."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-9"


class Mutant(Server):
    @classmethod
    def address_from(cls, arguments: list[str]) -> str:
        return arguments[0] if arguments else "127.0.0.1:0"


if __name__ == "__main__":
    main(Mutant)
