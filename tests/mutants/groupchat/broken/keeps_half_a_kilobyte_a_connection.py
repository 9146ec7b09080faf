#!/usr/bin/env python3
"""The server keeps five hundred bytes for every client that ever connected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.log = bytearray()

    def join(self, sock: socket.socket) -> Client:
        self.log += b"a client".ljust(500)
        return super().join(sock)


if __name__ == "__main__":
    main(Mutant)
