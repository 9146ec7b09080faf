#!/usr/bin/env python3
"""The five hundred and first client is shown the door."""

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
            self.leave(client)
        return client


if __name__ == "__main__":
    main(Mutant)
