#!/usr/bin/env python3
"""The host of the address is ignored, and the server listens on the wildcard address."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-7"


class Mutant(Server):
    def bind(self) -> None:
        self.host = ""
        super().bind()


if __name__ == "__main__":
    main(Mutant)
