#!/usr/bin/env python3
"""One connection in seven hundred is forgotten without being closed."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"
FORGOTTEN = 700  # one in so many


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: list[socket.socket] = []

    def close(self, client: Client) -> None:
        if client.number % FORGOTTEN == FORGOTTEN - 1:
            self.forgotten.append(client.sock)
        else:
            super().close(client)


if __name__ == "__main__":
    main(Mutant)
