#!/usr/bin/env python3
"""The descriptor stays open of a client that dies after its FIN, while there is a backlog for it."""

import contextlib
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-8"
DEADLINE_S = 20


class Mutant(Server):
    """A client that has closed its sending side is disconnected when its backlog is written, or after a while."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: list[socket.socket] = []

    def on_end(self, client: Client) -> None:
        self.flush(client)  # only a real backlog counts
        if self.is_connected(client):
            if not client.backlog:
                self.disconnect(client)
                return
            client.reading = False
            self.watch(client)
            self.call_later(DEADLINE_S, lambda: self.disconnect(client))

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.clients.values() if client.reading]

    def flush(self, client: Client) -> None:
        super().flush(client)
        if self.is_connected(client) and not client.reading and not client.backlog:
            self.end_of(client)

    def end_of(self, client: Client) -> None:
        self.disconnect(client)

    def on_error(self, client: Client, error: OSError) -> None:
        if not client.reading:
            with contextlib.suppress(OSError):
                self.kept.append(client.sock.dup())
        self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
