#!/usr/bin/env python3
"""The server holds 64 MB from its start."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def start(self) -> None:
        self.arena = os.urandom(64_000_000)
        super().start()


if __name__ == "__main__":
    main(Variant)
