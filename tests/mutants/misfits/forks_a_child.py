#!/usr/bin/env python3
"""Serves correctly, but has a child in its own session that ignores SIGTERM for 300 s."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Forking, main


class Misfit(Forking):
    lifetime_s = 300

    def run_child(self) -> None:
        time.sleep(300)


if __name__ == "__main__":
    main(Misfit)
