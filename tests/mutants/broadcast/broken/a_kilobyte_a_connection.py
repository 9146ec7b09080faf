#!/usr/bin/env python3
"""The server keeps a kilobyte for every client that ever connected."""

import os
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: list[bytes] = []

    def join(self, sock: socket.socket) -> Client:
        self.kept.append(os.urandom(1024))
        return super().join(sock)


if __name__ == "__main__":
    main(Mutant)
