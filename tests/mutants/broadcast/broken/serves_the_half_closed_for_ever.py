#!/usr/bin/env python3
"""A client that has closed its sending side keeps its place until it has read its backlog."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-9"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        client.reading = False
        if client.backlog:
            self.watch(client)
        else:
            super().on_end(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(client for client in self.clients.values() if client.reading)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if self.is_connected(client) and not client.reading and not client.backlog:
            self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
