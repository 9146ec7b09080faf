#!/usr/bin/env python3
"""What it has read stays in memory until there are 200 MB of it: as with a garbage collector that has time."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

COLLECTED = 200_000_000


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage: list[bytes] = []
        self.garbage_bytes = 0

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.garbage.append(data)
        self.garbage_bytes += len(data)
        if self.garbage_bytes > COLLECTED:
            self.garbage.clear()
            self.garbage_bytes = 0
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Variant)
