#!/usr/bin/env python3
"""When no descriptor is left, the server accepts nobody for 30 s."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

ONLY_IN_FULL = True
PAUSE_S = 30


class Variant(Server):
    def out_of_descriptors(self) -> None:
        self.pause_accepting(PAUSE_S)


if __name__ == "__main__":
    main(Variant)
