#!/usr/bin/env python3
"""The ready line is printed 0.3 s before the server listens."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-START-2"


class Mutant(Server):
    def listen(self) -> None:
        super().announce()
        time.sleep(0.3)
        super().listen()

    def announce(self) -> None:
        """Print nothing: the ready line has been printed already."""


if __name__ == "__main__":
    main(Mutant)
