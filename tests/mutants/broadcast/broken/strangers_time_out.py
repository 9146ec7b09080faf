#!/usr/bin/env python3
"""A client that has neither sent nor received anything is disconnected after three seconds."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-6"
STRANGER_S = 3


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.known: set[Client] = set()

    def start(self) -> None:
        super().start()
        self.look()

    def look(self) -> None:
        self.call_later(0.5, self.look)
        now = time.monotonic()
        for client in list(self.clients.values()):
            if client not in self.known and now - client.connected_at > STRANGER_S:
                self.disconnect(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.known.add(client)
        super().on_bytes(client, data)

    def append(self, client: Client, message: bytes) -> None:
        self.known.add(client)
        super().append(client, message)

    def close(self, client: Client) -> None:
        self.known.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
