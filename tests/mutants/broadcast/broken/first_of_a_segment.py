#!/usr/bin/env python3
"""Only the first of several whole messages in one segment is handled."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-FRAME-3"


class Mutant(Server):
    one_by_one = True

    def messages(self, complete: bytes) -> list[bytes]:
        return super().messages(complete)[:1]


if __name__ == "__main__":
    main(Mutant)
