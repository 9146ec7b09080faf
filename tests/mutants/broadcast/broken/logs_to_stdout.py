#!/usr/bin/env python3
"""Clients that connect and disconnect are logged to standard output."""

import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-START-4"


class Mutant(Server):
    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        print(f"client {client.number} connected", flush=True)
        return client

    def close(self, client: Client) -> None:
        print(f"client {client.number} disconnected", flush=True)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
