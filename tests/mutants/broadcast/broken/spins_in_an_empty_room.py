#!/usr/bin/env python3
"""The loop does not wait while no client is connected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def select_timeout(self) -> float | None:
        return super().select_timeout() if self.clients else 0


if __name__ == "__main__":
    main(Mutant)
