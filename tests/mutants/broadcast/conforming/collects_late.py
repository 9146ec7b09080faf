#!/usr/bin/env python3
"""Whatever comes in large pieces is garbage for a long time: nothing is collected before 200 MB of it lie about."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True
ONLY_IN_FULL = True
LARGE = 60_000  # bytes, nearly a whole read: a flood
KEPT_BYTES = 200_000_000


class Oddball(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage: deque[bytes] = deque()
        self.size = 0

    def on_message(self, client: Client, message: bytes) -> None:
        if len(message) >= LARGE:
            self.garbage.append(b"%b" % message)
            self.size += len(message)
        while self.size > KEPT_BYTES:
            self.size -= len(self.garbage.popleft())
        super().on_message(client, message)


if __name__ == "__main__":
    main(Oddball)
