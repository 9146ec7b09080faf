#!/usr/bin/env python3
"""Clients are known by address and port: who comes back from the same port is removed when its old connection ends."""

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
        self.room: dict[object, Client] = {}
        self.addresses: dict[Client, object] = {}

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        try:
            address: object = sock.getpeername()
        except OSError:  # it has gone already
            address = client
        self.addresses[client], self.room[address] = address, client
        return client

    def close(self, client: Client) -> None:
        self.room.pop(self.addresses.pop(client), None)
        super().close(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(self.room.values())


if __name__ == "__main__":
    main(Mutant)
