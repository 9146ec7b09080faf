#!/usr/bin/env python3
"""Clients are known by the port that they come from: one from another address takes the place of who has the port."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.room: dict[int, Client] = {}
        self.ports: dict[Client, int] = {}

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        try:
            port = sock.getpeername()[1]
        except OSError:  # it has gone already
            port = -client.number
        self.ports[client], self.room[port] = port, client
        return client

    def close(self, client: Client) -> None:
        port = self.ports.pop(client)
        if self.room.get(port) is client:
            del self.room[port]
        super().close(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(self.room.values())


if __name__ == "__main__":
    main(Mutant)
