#!/usr/bin/env python3
"""A backlog that has existed for 30 seconds is dropped, with the rest of a message."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-3"
EXPIRES_S = 30


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.since: dict[Client, float] = {}

    def start(self) -> None:
        super().start()
        self.sweep()

    def append(self, client: Client, message: bytes) -> None:
        if not client.backlog:
            self.since[client] = time.monotonic()
        super().append(client, message)

    def sweep(self) -> None:
        self.call_later(1, self.sweep)
        now = time.monotonic()
        for client in list(self.clients.values()):
            if client.backlog and now - self.since[client] > EXPIRES_S:
                client.backlog.clear()
                client.backlog_bytes = 0
                self.watch(client)

    def close(self, client: Client) -> None:
        self.since.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
