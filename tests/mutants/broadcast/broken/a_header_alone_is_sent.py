#!/usr/bin/env python3
"""When the kernel takes only the length byte of a message, the body is forgotten."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True

    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # it often has no room
        return super().join(sock)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        sent = left = super().send(client, chunks)
        for chunk in chunks:
            if left < len(chunk):
                return sent + (len(chunk) - 1 if left == 1 else 0)
            left -= len(chunk)
        return sent


if __name__ == "__main__":
    main(Mutant)
