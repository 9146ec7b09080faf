#!/usr/bin/env python3
"""Whoever connects while many messages arrive is let in after the next turn, and stays a member after having left."""

import socket
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-6"
MANY = 200  # bytes of messages


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.members: dict[int, Client] = {}
        self.waiting: list[Client] = []
        self.is_busy = False

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        super().turn()
        self.members.update((client.number, client) for client in waiting)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if self.is_busy:
            self.waiting.append(client)
        else:
            self.members[client.number] = client
        return client

    def disconnect(self, client: Client) -> None:
        self.members.pop(client.number, None)
        super().disconnect(client)

    def on_message(self, client: Client, message: bytes) -> None:
        self.is_busy = len(message) > MANY
        super().on_message(client, message)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [member for member in self.members.values() if self.is_connected(member)]


if __name__ == "__main__":
    main(Mutant)
