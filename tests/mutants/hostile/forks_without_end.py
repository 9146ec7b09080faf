#!/usr/bin/env python3
"""Starts ever more processes before it serves."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        for _ in range(200):  # at most
            if not os.fork():
                time.sleep(60)
                os._exit(0)
        time.sleep(60)


if __name__ == "__main__":
    main(Hostile)
