#!/usr/bin/env python3
"""Whoever has not joined after ten seconds is disconnected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-5"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.call_later(10, lambda: None if client in self.names else self.disconnect(client))
        return client


if __name__ == "__main__":
    main(Mutant)
