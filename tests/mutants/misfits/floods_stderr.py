#!/usr/bin/env python3
"""Writes a gigabyte to standard error before its ready line, then serves correctly."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300

    def start(self) -> None:
        self.handle_signals()
        for _ in range(1 << 14):
            os.write(2, b"loading .\n" * 6554)
        super().start()


if __name__ == "__main__":
    main(Misfit)
