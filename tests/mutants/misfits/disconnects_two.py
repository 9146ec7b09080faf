#!/usr/bin/env python3
"""Serves correctly, but disconnects the first two clients for which the kernel does not take all at once."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "broadcast"))
from server import Client, Server, main


class Misfit(Server):
    left = 2

    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return super().join(sock)

    def is_full(self, client: Client, message: bytes) -> bool:
        return (self.left > 0 and client.backlog_bytes > 8192) or super().is_full(client, message)

    def on_full(self, client: Client, message: bytes) -> None:
        if self.left > 0:
            self.left -= 1
            self.disconnect(client)

    def append(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            super().append(client, message)


if __name__ == "__main__":
    main(Misfit)
