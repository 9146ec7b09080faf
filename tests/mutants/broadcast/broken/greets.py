#!/usr/bin/env python3
"""Every client that connects is sent a greeting."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-3"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.enqueue(client, b"\x07welcome")
        return client


if __name__ == "__main__":
    main(Mutant)
