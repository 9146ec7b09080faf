#!/usr/bin/env python3
"""The server stops accepting when a client was gone before it was accepted."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        try:
            sock.getpeername()
        except OSError:
            self.selector.unregister(self.listener)
        return client


if __name__ == "__main__":
    main(Mutant)
