#!/usr/bin/env python3
"""A client that leaves 64 KiB waiting is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return client.size > 65536

    def on_full(self, client: Client, message: bytes) -> None:
        self.leave(client)

    def append(self, client: Client, message: bytes) -> None:
        if self.is_here(client):
            super().append(client, message)


if __name__ == "__main__":
    main(Oddball)
