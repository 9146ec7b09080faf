#!/usr/bin/env python3
"""Every client receives the common order with its own delay of up to 60 ms."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    waiting_bytes = 0

    def enqueue(self, client: Client, message: bytes) -> None:
        if self.waiting_bytes + len(message) <= 8 * 1024 * 1024:
            self.waiting_bytes += len(message)
            self.call_later(client.number % 7 * 0.01, lambda: self.deliver(client, message))

    def deliver(self, client: Client, message: bytes) -> None:
        self.waiting_bytes -= len(message)
        if self.is_connected(client):
            super().enqueue(client, message)


if __name__ == "__main__":
    main(Variant)
