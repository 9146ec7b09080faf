#!/usr/bin/env python3
"""Messages and replies leave 2.5 seconds late."""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
LATE_S, WAITING_BYTES = 2.5, 1024 * 1024


class Variant(Server):
    waiting_bytes = 0

    def append(self, client: Client, message: bytes) -> None:
        self.waiting_bytes += len(message)
        self.call_later(LATE_S, partial(self.append_late, client, message))

    def append_late(self, client: Client, message: bytes) -> None:
        self.waiting_bytes -= len(message)
        if self.is_connected(client):
            super().append(client, message)

    def is_full(self, client: Client, message: bytes) -> bool:
        return super().is_full(client, message) or self.waiting_bytes > WAITING_BYTES


if __name__ == "__main__":
    main(Variant)
