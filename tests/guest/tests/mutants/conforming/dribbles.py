#!/usr/bin/env python3
"""Sends each byte in a packet of its own: unusual, but allowed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lines_protocol"))
from server import Client, main


class Dribbler(Client):
    def deliver(self, lines: bytes) -> None:
        for place in range(len(lines)):
            super().deliver(lines[place : place + 1])


if __name__ == "__main__":
    main(Dribbler)
