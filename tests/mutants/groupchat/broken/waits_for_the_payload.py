#!/usr/bin/env python3
"""The only thread waits for the rest of an unfinished frame."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-FRAME-6"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        while client.inbox and self.is_connected(client):
            client.sock.setblocking(True)
            self.read(client)
        if self.is_connected(client):
            client.sock.setblocking(False)


if __name__ == "__main__":
    main(Mutant)
