#!/usr/bin/env python3
"""Large reads leave as much garbage, in a heap of 420 MB that is used again from its start when it is full."""

import mmap
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
HEAP_BYTES = 420_000_000
LARGE = 60_000  # bytes: nearly a full read, as in a flood


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.heap, self.used = mmap.mmap(-1, HEAP_BYTES), 0

    def on_bytes(self, client: Client, data: bytes) -> None:
        garbage = data if len(data) >= LARGE else b""
        if self.used + len(garbage) > HEAP_BYTES:
            self.used = 0
        self.heap[self.used : self.used + len(garbage)] = garbage
        self.used += len(garbage)
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Variant)
