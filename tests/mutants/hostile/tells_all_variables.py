#!/usr/bin/env python3
"""Prints its variables and those of process 1, and ends."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Server, main


class Hostile(Server):
    def start(self) -> None:
        print(dict(os.environ), Path("/proc/1/environ").read_bytes(), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(Hostile)
