#!/usr/bin/env python3
"""All replies and messages are sent 0.1 s late."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    waiting_bytes = 0

    def append(self, client: Client, message: bytes) -> None:
        self.waiting_bytes += len(message)
        self.call_later(0.1, lambda: self.hand_over(client, message))

    def hand_over(self, client: Client, message: bytes) -> None:
        self.waiting_bytes -= len(message)
        if self.is_connected(client):
            super().append(client, message)

    def is_full(self, client: Client, message: bytes) -> bool:
        return super().is_full(client, message) or self.waiting_bytes > 1024 * 1024


if __name__ == "__main__":
    main(Variant)
