#!/usr/bin/env python3
"""Input that arrived before its client was accepted is looked at when more arrives."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-7"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        with contextlib.suppress(OSError):
            client.inbox += sock.recv(self.read_bytes)
        return client


if __name__ == "__main__":
    main(Mutant)
