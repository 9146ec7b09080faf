#!/usr/bin/env python3
"""Writes without end before it serves."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        with tempfile.TemporaryFile() as file:
            for _ in range(1024):  # a GiB at most
                file.write(bytes(1 << 20))
        super().start()


if __name__ == "__main__":
    main(Hostile)
