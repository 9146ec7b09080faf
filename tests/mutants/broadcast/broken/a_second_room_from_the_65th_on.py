#!/usr/bin/env python3
"""The 65th client and those after it are in a room of their own."""

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
        self.second: set[Client] = set()

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        if len(self.clients) > 64:
            self.second.add(client)
        return client

    def receivers(self, sender: Client) -> Iterable[Client]:
        second = sender in self.second
        return [one for one in super().receivers(sender) if (one in self.second) == second]

    def close(self, client: Client) -> None:
        self.second.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
