#!/usr/bin/env python3
"""Opens a setting of the kernel for writing before it serves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        with open("/proc/sys/kernel/core_pattern", "r+"):
            super().start()


if __name__ == "__main__":
    main(Hostile)
