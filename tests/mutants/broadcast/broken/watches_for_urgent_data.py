#!/usr/bin/env python3
"""The server waits for urgent data too, and never takes them."""

import select
import selectors
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.selector = selectors.PollSelector()

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.selector._selector.modify(sock, select.POLLIN | select.POLLPRI)  # type: ignore[attr-defined]
        return client

    def read(self, client: Client) -> None:
        if select.select([client.sock], [], [], 0)[0]:  # there is more than urgent data
            super().read(client)

    def watch(self, client: Client) -> None:
        before = client.events
        super().watch(client)
        if client.events not in (0, before):
            events = bool(client.events & 1) * select.POLLIN | bool(client.events & 2) * select.POLLOUT
            self.selector._selector.modify(client.sock, events | select.POLLPRI)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Mutant)
