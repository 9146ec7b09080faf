#!/usr/bin/env python3
"""At the end it waits 20 ms for each client."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-END-1"


class Mutant(Server):
    def end(self, *details: object) -> None:
        for _ in list(self.clients):
            time.sleep(0.02)
        super().end(*details)


if __name__ == "__main__":
    main(Mutant)
