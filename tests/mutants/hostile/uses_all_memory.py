#!/usr/bin/env python3
"""Takes ever more memory before it serves."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        taken = []
        for _ in range(512):  # half a GiB at most
            taken.append(b"x" * (1 << 20))
            time.sleep(0.002)
        time.sleep(60)


if __name__ == "__main__":
    main(Hostile)
