#!/usr/bin/env python3
"""A CR at the end of a line is taken away."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lines_protocol"))
from server import Client, main

CAUGHT_BY = "LN-LINE-1"


class Mutant(Client):
    def deliver(self, lines: bytes) -> None:
        super().deliver(lines.replace(b"\r\n", b"\n"))


if __name__ == "__main__":
    main(Mutant)
