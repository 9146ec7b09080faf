#!/usr/bin/env python3
"""Everything is done 1.2 s late, and a client of which a MiB waits for that is not read."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
LATE_S = 1.2
WAITING_BYTES = 1024 * 1024


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.waiting: Counter[Client] = Counter()  # bytes of requests
        self.ended: set[Client] = set()

    def on_message(self, client: Client, message: bytes) -> None:
        self.waiting[client] += len(message)
        self.watch(client)
        self.call_later(LATE_S, lambda: self.serve_late(client, message))

    def serve_late(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            self.waiting[client] -= len(message)
            super().on_message(client, message)
        if self.is_connected(client):
            self.watch(client)

    def on_end(self, client: Client) -> None:
        self.ended.add(client)
        self.watch(client)
        self.call_later(LATE_S, lambda: self.disconnect(client))

    def watch(self, client: Client) -> None:
        client.reading = client not in self.ended and self.waiting[client] <= WAITING_BYTES
        super().watch(client)

    def disconnect(self, client: Client) -> None:
        super().disconnect(client)
        self.waiting.pop(client, None)
        self.ended.discard(client)


if __name__ == "__main__":
    main(Variant)
