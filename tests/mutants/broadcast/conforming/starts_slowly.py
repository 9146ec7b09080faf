#!/usr/bin/env python3
"""The server is ready only 1.5 s after its start."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def start(self) -> None:
        time.sleep(1.5)
        super().start()


if __name__ == "__main__":
    main(Variant)
