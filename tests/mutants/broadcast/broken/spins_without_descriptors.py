#!/usr/bin/env python3
"""Without a free descriptor the server tries to accept again and again, at once."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-8"


class Mutant(Server):
    def out_of_descriptors(self) -> None:
        """Do nothing: the selector will tell at once that somebody waits."""


if __name__ == "__main__":
    main(Mutant)
