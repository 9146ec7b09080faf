#!/usr/bin/env python3
"""The loop never waits, so an idle server keeps a core busy."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def select_timeout(self) -> float | None:
        return 0


if __name__ == "__main__":
    main(Mutant)
