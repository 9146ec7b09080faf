#!/usr/bin/env python3
"""The server waits until a sender has taken its own message, and serves no other client meanwhile."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-4"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # so that the kernel does not accept everything
        return super().join(sock)

    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        while client.backlog and self.is_connected(client):
            client.sock.setblocking(True)
            self.flush(client)
        if self.is_connected(client):
            client.sock.setblocking(False)


if __name__ == "__main__":
    main(Mutant)
