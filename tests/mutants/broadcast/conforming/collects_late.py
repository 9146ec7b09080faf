#!/usr/bin/env python3
"""Large reads leave garbage, and none of it is freed before there are 200 MB."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
LARGE = 60_000  # bytes: nearly a full read, as in a flood
KEPT_BYTES = 200_000_000


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage: deque[bytes] = deque()
        self.garbage_bytes = 0

    def on_message(self, client: Client, message: bytes) -> None:
        if len(message) >= LARGE:
            self.garbage.append(b"%b" % message)
            self.garbage_bytes += len(message)
        while self.garbage_bytes > KEPT_BYTES:
            self.garbage_bytes -= len(self.garbage.popleft())
        super().on_message(client, message)


if __name__ == "__main__":
    main(Variant)
