#!/usr/bin/env python3
"""When the 12 places of the first acceptor are taken, a second one accepts clients into a room of their own."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.first_room: set[int] = set()

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.first_room) < 12:
            self.first_room.add(client.number)
        return client

    def close(self, client: Client) -> None:
        self.first_room.discard(client.number)
        super().close(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        first = sender.number in self.first_room
        return [c for c in super().receivers(sender) if (c.number in self.first_room) == first]


if __name__ == "__main__":
    main(Mutant)
