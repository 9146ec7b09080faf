#!/usr/bin/env python3
"""Everything is told a tenth of a second later, replies and messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    waiting_bytes = 0

    def append(self, client: Client, message: bytes) -> None:
        self.waiting_bytes += len(message)
        self.later(0.1, lambda: self.hand_over(client, message))

    def hand_over(self, client: Client, message: bytes) -> None:
        self.waiting_bytes -= len(message)
        if self.is_here(client):
            super().append(client, message)

    def is_full(self, client: Client, message: bytes) -> bool:
        return super().is_full(client, message) or self.waiting_bytes > 1024 * 1024


if __name__ == "__main__":
    main(Oddball)
