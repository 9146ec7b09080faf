#!/usr/bin/env python3
"""Parse buffers belong to descriptors: a client that gets a reused one inherits its unfinished input."""

import socket
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.buffers: defaultdict[int, bytearray] = defaultdict(bytearray)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        client.inbox = self.buffers[sock.fileno()]
        return client


if __name__ == "__main__":
    main(Mutant)
