#!/usr/bin/env python3
"""Connections of clients that leave are shut down but never closed."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: list[Client] = []

    def close(self, client: Client) -> None:
        with contextlib.suppress(OSError):
            client.sock.shutdown(socket.SHUT_RDWR)
        self.forgotten.append(client)


if __name__ == "__main__":
    main(Mutant)
