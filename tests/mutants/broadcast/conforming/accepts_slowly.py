#!/usr/bin/env python3
"""Only one client is accepted every 2 ms."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main


class Variant(Server):
    def accept(self) -> None:
        if self.accept_one():
            self.pause_accepting(0.002)


if __name__ == "__main__":
    main(Variant)
