#!/usr/bin/env python3
"""Every four seconds the server stops for 1.5 s, as in a long garbage collection."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def start(self) -> None:
        super().start()
        self.call_later(4, self.pause)

    def pause(self) -> None:
        time.sleep(1.5)
        self.call_later(4, self.pause)


if __name__ == "__main__":
    main(Variant)
