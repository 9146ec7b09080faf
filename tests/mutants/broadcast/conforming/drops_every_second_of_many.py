#!/usr/bin/env python3
"""While at least 32 messages wait for a client, every second one of those that follow is dropped."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

FEW = 32


class Variant(Server):
    one_by_one = True

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        client.dropped = True  # type: ignore[attr-defined]
        return client

    def append(self, client: Client, message: bytes) -> None:
        if len(client.backlog) >= FEW:
            client.dropped = not client.dropped  # type: ignore[attr-defined]
            if client.dropped:  # type: ignore[attr-defined]
                return
        super().append(client, message)


if __name__ == "__main__":
    main(Variant)
