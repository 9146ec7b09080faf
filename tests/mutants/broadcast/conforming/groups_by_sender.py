#!/usr/bin/env python3
"""What came within 10 ms is forwarded grouped by sender, the latest client first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Ticking):
    tick_s = 0.01

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        super().release(sorted(collected, key=lambda one: -one[0].number))


if __name__ == "__main__":
    main(Oddball)
