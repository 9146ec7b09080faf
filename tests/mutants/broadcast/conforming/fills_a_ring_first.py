#!/usr/bin/env python3
"""The last hundred thousand messages are kept, 200 bytes each, so memory grows until there are that many."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.ring: deque[bytes] = deque(maxlen=100_000)

    def on_message(self, client: Client, message: bytes) -> None:
        self.ring.append(message[:200].ljust(200))
        super().on_message(client, message)


if __name__ == "__main__":
    main(Variant)
