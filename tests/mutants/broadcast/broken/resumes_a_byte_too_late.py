#!/usr/bin/env python3
"""A write that leaves more than 64 KiB is resumed one byte too late."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # so that a write is often partial
        return super().join(sock)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        sent = super().send(client, chunks)
        return sent + (client.backlog_bytes - sent > 65536)


if __name__ == "__main__":
    main(Mutant)
