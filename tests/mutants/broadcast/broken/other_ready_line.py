#!/usr/bin/env python3
"""The wording of the ready line is not the required one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-1"


class Mutant(Server):
    def ready_line(self) -> str:
        return super().ready_line().replace("listening on", "Server started on")


if __name__ == "__main__":
    main(Mutant)
