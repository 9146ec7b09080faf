#!/usr/bin/env python3
"""The server is notified of arrivals only (EPOLLET), and reads once for each."""

import select
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    read_bytes = 16 * 1024

    def join(self, sock: socket.socket) -> Client:
        client = super().join(sock)
        self.selector._selector.modify(sock, select.EPOLLIN | select.EPOLLET)  # type: ignore[attr-defined]
        return client

    def watch(self, client: Client) -> None:
        before = client.events
        super().watch(client)
        if client.events not in (0, before):
            events = bool(client.events & 1) * select.EPOLLIN | bool(client.events & 2) * select.EPOLLOUT
            self.selector._selector.modify(client.sock, events | select.EPOLLET)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(Mutant)
