#!/usr/bin/env python3
"""It reads once when it accepts, and forgets what is unfinished of that."""

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
            data = sock.recv(self.read_bytes)
            if end := self.complete_length(data):
                self.on_message(client, data[:end])
        return client


if __name__ == "__main__":
    main(Mutant)
