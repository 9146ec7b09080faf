#!/usr/bin/env python3
"""That the rest of a line is skipped belongs to the descriptor, and outlives the client."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.descriptors: set[int] = set()

    def on_line_overflow(self, client: Client) -> None:
        super().on_line_overflow(client)
        self.descriptors.add(client.sock.fileno())

    def on_line(self, client: Client, line: bytes) -> None:
        self.descriptors.discard(client.sock.fileno())
        super().on_line(client, line)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if sock.fileno() in self.descriptors:
            self.skipping.add(client)
        return client


if __name__ == "__main__":
    main(Mutant)
