#!/usr/bin/env python3
"""Whoever has not subscribed after ten seconds is disconnected."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-8"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.call_later(10, lambda: None if client in self.subscriptions else self.disconnect(client))
        return client


if __name__ == "__main__":
    main(Mutant)
