#!/usr/bin/env python3
"""A new client inherits the backlog of a client that left, possibly from the middle of a message."""

import socket
import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-DELIVER-4"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.backlogs: deque[deque[bytes]] = deque(maxlen=4)

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        while self.backlogs and not client.backlog:
            for chunk in self.backlogs.popleft():
                self.append(client, chunk)
        return client

    def close(self, client: Client) -> None:
        if client.events & EVENT_WRITE:
            self.backlogs.append(client.backlog)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
