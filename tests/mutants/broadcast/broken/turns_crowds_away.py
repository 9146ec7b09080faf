#!/usr/bin/env python3
"""When more than 100 clients connect within 100 ms, the rest are disconnected."""

import socket
import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-9"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.joined: deque[float] = deque([0.0], maxlen=100)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.joined) == 100 and client.connected_at - self.joined[0] < 0.1:
            self.disconnect(client)
        else:
            self.joined.append(client.connected_at)
        return client


if __name__ == "__main__":
    main(Mutant)
