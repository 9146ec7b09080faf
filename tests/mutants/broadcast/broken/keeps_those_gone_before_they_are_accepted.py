#!/usr/bin/env python3
"""The connection of a client that is gone before it is accepted is never closed."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.nameless: list[socket.socket] = []

    def accept_one(self) -> bool:
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return False
        try:
            sock.getpeername()
        except OSError:
            self.nameless.append(sock)
        else:
            self.join(sock)
        return True


if __name__ == "__main__":
    main(Mutant)
