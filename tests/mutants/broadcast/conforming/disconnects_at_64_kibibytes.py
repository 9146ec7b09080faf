#!/usr/bin/env python3
"""A client whose backlog exceeds 64 KiB is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes > 65536

    def on_full(self, client: Client, message: bytes) -> None:
        self.disconnect(client)

    def append(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            super().append(client, message)


if __name__ == "__main__":
    main(Variant)
