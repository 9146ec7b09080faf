#!/usr/bin/env python3
"""The server disconnects every client that connects when 600 are connected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-7"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.clients) > 600:
            self.disconnect(client)
        return client


if __name__ == "__main__":
    main(Mutant)
