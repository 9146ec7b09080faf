#!/usr/bin/env python3
"""A channel that nobody is in any more is kept, and nothing is answered there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

LAWFUL = True


class Oddball(Server):
    def forget(self, channel: str) -> None:
        pass


if __name__ == "__main__":
    main(Oddball)
