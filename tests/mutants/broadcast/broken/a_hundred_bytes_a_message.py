#!/usr/bin/env python3
"""The server keeps a hundred bytes for every message it has forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.log = bytearray()

    def fan_out(self, sender: Client, message: bytes) -> None:
        start = 0
        while start < len(message):
            self.log += message[start : start + 1] * 100
            start += 1 + message[start]
        super().fan_out(sender, message)


if __name__ == "__main__":
    main(Mutant)
