#!/usr/bin/env python3
"""Writes a gigabyte to standard output after its ready line, and serves correctly meanwhile."""

import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Misfit(Server):
    lifetime_s = 300

    def start(self) -> None:
        super().start()
        threading.Thread(target=self.flood, daemon=True).start()

    def flood(self) -> None:
        for _ in range(1 << 14):
            os.write(1, b"tick tock\n" * 6554)


if __name__ == "__main__":
    main(Misfit)
