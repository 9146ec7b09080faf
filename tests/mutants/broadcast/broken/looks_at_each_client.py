#!/usr/bin/env python3
"""Every client is looked at a hundred times a second."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.look(client)
        return client

    def look(self, client: Client) -> None:
        if self.is_connected(client):
            self.call_later(0.01, lambda: self.look(client))


if __name__ == "__main__":
    main(Mutant)
