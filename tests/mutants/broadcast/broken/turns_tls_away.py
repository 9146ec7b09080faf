#!/usr/bin/env python3
"""A client whose first bytes are those of TLS, a message of 22 bytes that begins with 03, is disconnected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-4"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.new: set[Client] = set()

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.new.add(client)
        return client

    def close(self, client: Client) -> None:
        self.new.discard(client)
        super().close(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        if client in self.new and data[:2] == b"\x16\x03":
            self.disconnect(client)
            return
        self.new.discard(client)
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
