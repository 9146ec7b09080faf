#!/usr/bin/env python3
"""Of the frames of one recv only the first is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "GC-FRAME-3"


class Mutant(Server):
    def messages(self, whole: bytes) -> list[bytes]:
        return super().messages(whole)[:1]


if __name__ == "__main__":
    main(Mutant)
