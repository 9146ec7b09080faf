#!/usr/bin/env python3
"""The number of clients is limited to one byte: those after the 256th receive nothing."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-7"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(super().receivers(sender))[:256]


if __name__ == "__main__":
    main(Mutant)
