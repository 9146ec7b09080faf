#!/usr/bin/env python3
"""Five hundred bytes stay behind for every client that was ever there."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.guest_book = bytearray()

    def join(self, sock: socket.socket) -> Client:
        self.guest_book += b"a guest".ljust(500)
        return super().join(sock)


if __name__ == "__main__":
    main(Mutant)
