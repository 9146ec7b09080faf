#!/usr/bin/env python3
"""The server waits for a subscriber whose backlog is full."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-1"


class Mutant(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        while self.is_full(client, message) and self.is_connected(client):
            client.sock.setblocking(True)
            self.flush(client)
        if self.is_connected(client):
            client.sock.setblocking(False)
            self.append(client, message)


if __name__ == "__main__":
    main(Mutant)
