#!/usr/bin/env python3
"""When no descriptor is left it says so, and waits until somebody has read it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-14"


class Mutant(Server):
    def out_of_descriptors(self) -> None:
        print("no descriptor is left", file=sys.stderr, flush=True)
        super().out_of_descriptors()


if __name__ == "__main__":
    main(Mutant)
