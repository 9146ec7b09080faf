#!/usr/bin/env python3
"""Unfinished messages are lost when the table of clients becomes larger."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-6"


class Mutant(Server):
    places = 64

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.clients) > self.places:
            self.places *= 2
            for each in self.clients.values():
                each.inbox.clear()
        return client


if __name__ == "__main__":
    main(Mutant)
