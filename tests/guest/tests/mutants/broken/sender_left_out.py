#!/usr/bin/env python3
"""A line is forwarded to all clients except its sender."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lines_protocol"))
from server import Client, main, room

CAUGHT_BY = "LN-DELIVER-1"


class Mutant(Client):
    def receivers(self) -> Iterable[Client]:
        return room - {self}


if __name__ == "__main__":
    main(Mutant)
