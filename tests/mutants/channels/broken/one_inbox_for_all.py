#!/usr/bin/env python3
"""All clients share one buffer for unfinished lines."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-11"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        client.inbox = self.inbox
        return client

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.inbox = bytearray()


if __name__ == "__main__":
    main(Mutant)
