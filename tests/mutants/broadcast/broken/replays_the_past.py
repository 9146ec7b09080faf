#!/usr/bin/env python3
"""A new client is sent the last ten messages."""

import socket
import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-4"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.history: deque[bytes] = deque(maxlen=10)

    def on_message(self, client: Client, message: bytes) -> None:
        self.history.append(message)
        super().on_message(client, message)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        for message in self.history:
            self.enqueue(client, message)
        return client


if __name__ == "__main__":
    main(Mutant)
