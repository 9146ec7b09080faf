#!/usr/bin/env python3
"""The 65th and all later clients are in a separate room."""

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
        self.second_room: set[Client] = set()

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.clients) > 64:
            self.second_room.add(client)
        return client

    def receivers(self, sender: Client) -> Iterable[Client]:
        in_second = sender in self.second_room
        return [client for client in super().receivers(sender) if (client in self.second_room) == in_second]

    def close(self, client: Client) -> None:
        self.second_room.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
