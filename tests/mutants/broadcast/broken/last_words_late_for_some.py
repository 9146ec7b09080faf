#!/usr/bin/env python3
"""Messages that arrive with the end of their sender's stream reach every second client 50 ms later."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-5"


class Mutant(Server):
    at_end = False

    def on_bytes(self, client: Client, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.at_end = not client.sock.recv(1, socket.MSG_PEEK)
        super().on_bytes(client, data)
        self.at_end = False

    def enqueue(self, client: Client, message: bytes) -> None:
        if self.at_end and client.number % 2:
            self.call_later(0.05, lambda: self.enqueue_late(client, message))
        else:
            super().enqueue(client, message)

    def enqueue_late(self, client: Client, message: bytes) -> None:
        if self.is_connected(client):
            super().enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
