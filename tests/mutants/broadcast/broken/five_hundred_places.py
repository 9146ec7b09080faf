#!/usr/bin/env python3
"""The server disconnects every client that connects when 500 are connected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-7"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.clients) > 500:
            self.disconnect(client)
        return client


if __name__ == "__main__":
    main(Mutant)
