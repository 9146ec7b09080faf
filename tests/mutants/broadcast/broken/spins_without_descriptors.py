#!/usr/bin/env python3
"""When no descriptor is free, the server retries accept in a busy loop."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-8"


class Mutant(Server):
    def out_of_descriptors(self) -> None:
        """Do nothing: the selector reports the waiting client again immediately."""


if __name__ == "__main__":
    main(Mutant)
