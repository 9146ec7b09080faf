#!/usr/bin/env python3
"""A malformed address is silently retried for a minute."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-10"


class Mutant(Server):
    def parse(self, address: str) -> tuple[int, str, int]:
        for _ in range(60):
            try:
                return super().parse(address)
            except ValueError:
                time.sleep(1)
        sys.exit(0)


if __name__ == "__main__":
    main(Mutant)
