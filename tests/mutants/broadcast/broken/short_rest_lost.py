#!/usr/bin/env python3
"""When a partial write leaves fewer than 16 bytes of a message, they are lost."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True

    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # so that a write is often partial
        return super().join(sock)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        sent = left = super().send(client, chunks)
        for chunk in chunks:
            if left < len(chunk):
                rest = len(chunk) - left
                return sent + (rest if left and rest < 16 else 0)
            left -= len(chunk)
        return sent


if __name__ == "__main__":
    main(Mutant)
