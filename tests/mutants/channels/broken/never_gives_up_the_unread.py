#!/usr/bin/env python3
"""A client that reads no replies is not read from for ever, so nobody sees that it has closed its sending side."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-9"


class Mutant(Server):
    def give_up(self, client: Client, pause: object) -> None:
        """Leave it as it is."""


if __name__ == "__main__":
    main(Mutant)
