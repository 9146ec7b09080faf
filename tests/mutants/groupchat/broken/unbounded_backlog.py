#!/usr/bin/env python3
"""The backlog of a client that does not read grows without bound, by a kilobyte for each frame."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-2"
SLOT = b"~" * 1024


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.slots: dict[Client, list[bytearray]] = {}

    def is_full(self, client: Client, message: bytes) -> bool:
        return False

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        self.slots.setdefault(client, []).append(bytearray(SLOT))

    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        self.append(client, data)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if not client.backlog:
            self.slots.pop(client, None)

    def close(self, client: Client) -> None:
        self.slots.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
