#!/usr/bin/env python3
"""The descriptor of a client that leaves by RST is never closed."""

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
        self.kept: list[socket.socket] = []

    def on_error(self, client: Client, error: OSError) -> None:
        with contextlib.suppress(OSError):
            self.kept.append(client.sock.dup())
        super().on_error(client, error)


if __name__ == "__main__":
    main(Mutant)
