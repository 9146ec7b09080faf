#!/usr/bin/env python3
"""A client that is gone before it is accepted has no peer name, and the exception ends the server."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        self.latest_peer = sock.getpeername()
        return super().join(sock)


if __name__ == "__main__":
    main(Mutant)
