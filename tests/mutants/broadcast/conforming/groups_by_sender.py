#!/usr/bin/env python3
"""Messages that arrive within 10 ms are forwarded grouped by sender, the latest client first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

ONLY_IN_FULL = True


class Variant(Batching):
    batch_s = 0.01

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        super().release(sorted(pending, key=lambda item: -item[0].number))


if __name__ == "__main__":
    main(Variant)
