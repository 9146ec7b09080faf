#!/usr/bin/env python3
"""Messages have 16-bit numbers, and one whose number is not above the last is dropped as a copy."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True
    sequence = -1

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.last: dict[int, int] = {}

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.sequence = (self.sequence + 1) & 0xFFFF
        super().fan_out(sender, message)

    def append(self, client: Client, message: bytes) -> None:
        if self.sequence > self.last.get(client.number, -1):
            self.last[client.number] = self.sequence
            super().append(client, message)

    def close(self, client: Client) -> None:
        self.last.pop(client.number, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
