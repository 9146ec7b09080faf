#!/usr/bin/env python3
"""A channel without subscribers is never removed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-13"


class Mutant(Server):
    def forget(self, channel: str) -> None:
        pass


if __name__ == "__main__":
    main(Mutant)
