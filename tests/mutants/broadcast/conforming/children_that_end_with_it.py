#!/usr/bin/env python3
"""Four children wait from the start until the server has ended."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def start(self) -> None:
        reading, self.lifeline = os.pipe()  # no end is ever written to: its end is the server's
        for _ in range(4):
            if os.fork() == 0:
                os.close(self.lifeline)
                os.read(reading, 1)
                os._exit(0)
        os.close(reading)
        super().start()


if __name__ == "__main__":
    main(Oddball)
