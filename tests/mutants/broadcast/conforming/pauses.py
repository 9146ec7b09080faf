#!/usr/bin/env python3
"""Every four seconds everything stands still for a second and a half, as in a large collection of garbage."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def start(self) -> None:
        super().start()
        self.later(4, self.pause)

    def pause(self) -> None:
        time.sleep(1.5)
        self.later(4, self.pause)


if __name__ == "__main__":
    main(Oddball)
