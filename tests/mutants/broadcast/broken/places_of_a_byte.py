#!/usr/bin/env python3
"""The place of a client in the table is kept in a byte: with the 257th, the first one is removed from the table."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-7"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.table: list[Client | None] = []
        self.places: dict[Client, int] = {}

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        place = self.table.index(None) if None in self.table else len(self.table)
        self.table[place : place + 1] = [client]
        self.places[client] = place & 0xFF
        return client

    def close(self, client: Client) -> None:
        super().close(client)
        self.table[self.places.pop(client)] = None

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.table if client and self.is_connected(client)]


if __name__ == "__main__":
    main(Mutant)
