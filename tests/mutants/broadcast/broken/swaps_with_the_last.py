#!/usr/bin/env python3
"""The last client takes the place of one that leaves, and does not learn its new place."""

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
        self.slots: list[Client] = []
        self.places: dict[Client, int] = {}

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.places[client] = len(self.slots)
        self.slots.append(client)
        return client

    def close(self, client: Client) -> None:
        super().close(client)
        place, last = self.places.pop(client), self.slots.pop()
        if place < len(self.slots):
            self.slots[place] = last

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.slots if self.is_connected(client)]


if __name__ == "__main__":
    main(Mutant)
