#!/usr/bin/env python3
"""The server ends when it runs out of descriptors."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-8"


class Mutant(Server):
    def out_of_descriptors(self) -> None:
        raise


if __name__ == "__main__":
    main(Mutant)
