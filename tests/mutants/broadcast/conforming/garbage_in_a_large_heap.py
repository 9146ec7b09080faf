#!/usr/bin/env python3
"""Long reads leave as much garbage, in a heap of 420 MB that is used again from its start when it is full."""

import mmap
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
LONG = 1000  # bytes


class Variant(Server):
    heap_bytes = 420_000_000

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.heap, self.used = mmap.mmap(-1, self.heap_bytes), 0

    def on_bytes(self, client: Client, data: bytes) -> None:
        garbage = self.garbage_of(data)
        if self.used + len(garbage) > self.heap_bytes:
            self.used = 0
        self.heap[self.used : self.used + len(garbage)] = garbage
        self.used += len(garbage)
        super().on_bytes(client, data)

    def garbage_of(self, data: bytes) -> bytes:
        return data if len(data) > LONG else b""


if __name__ == "__main__":
    main(Variant)
