#!/usr/bin/env python3
"""The descriptor stays open of a client that dies after its FIN, while there is a backlog for it."""

import contextlib
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Draining, main

CAUGHT_BY = "BC-COME-8"


class Mutant(Draining):
    drain_s = 20

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: list[socket.socket] = []

    def on_error(self, client: Client, error: OSError) -> None:
        if not client.reading:
            with contextlib.suppress(OSError):
                self.kept.append(client.sock.dup())
        super().on_error(client, error)


if __name__ == "__main__":
    main(Mutant)
