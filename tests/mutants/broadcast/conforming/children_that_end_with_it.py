#!/usr/bin/env python3
"""Four child processes wait from the start until the server has ended."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def start(self) -> None:
        reading, self.lifeline = os.pipe()  # nothing is ever written; it closes when the server ends
        for _ in range(4):
            if os.fork() == 0:
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it as well
                os.close(self.lifeline)
                os.read(reading, 1)
                os._exit(0)
        os.close(reading)
        super().start()


if __name__ == "__main__":
    main(Variant)
