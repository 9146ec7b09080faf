#!/usr/bin/env python3
"""The input of all clients is kept in one ring of eight MiB: what is unfinished is lost when so much has come since."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"
RING = 8 * 1024 * 1024


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.position = 0
        self.since: dict[Client, int] = {}

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.position += len(data)
        if client.inbox and self.position - self.since[client] > RING:
            client.inbox.clear()
        self.since[client] = self.position
        super().on_bytes(client, data)

    def close(self, client: Client) -> None:
        self.since.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
