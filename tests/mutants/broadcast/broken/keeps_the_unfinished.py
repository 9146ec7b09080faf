#!/usr/bin/env python3
"""The descriptor of a client that leaves in the middle of a message is shut down but not closed."""

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

    def close(self, client: Client) -> None:
        if client.inbox:
            self.kept.append(client.sock)
            with contextlib.suppress(OSError):
                client.sock.shutdown(socket.SHUT_RDWR)
        else:
            super().close(client)


if __name__ == "__main__":
    main(Mutant)
