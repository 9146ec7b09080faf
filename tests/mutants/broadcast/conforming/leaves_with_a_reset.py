#!/usr/bin/env python3
"""Connections are closed with RST instead of FIN."""

import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def join(self, sock: socket.socket) -> Client:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return super().join(sock)


if __name__ == "__main__":
    main(Variant)
