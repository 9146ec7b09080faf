#!/usr/bin/env python3
"""The server is ready and says so, but in words of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-START-1"


class Mutant(Server):
    def ready_line(self) -> str:
        return super().ready_line().replace("listening on", "Group chat at")


if __name__ == "__main__":
    main(Mutant)
