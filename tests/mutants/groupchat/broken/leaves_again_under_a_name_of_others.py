#!/usr/bin/env python3
"""A client that sent FIN with replies unsent leaves again when its connection ends, whoever has its name by then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.lingering: dict[Client, str] = {}

    def on_end(self, client: Client) -> None:
        if client.backlog and client in self.names:
            self.lingering[client] = self.names[client]
            self.forget(client)
            client.reading = False
            self.watch(client)
        else:
            super().on_end(client)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if client in self.lingering and not client.backlog:
            self.disconnect(client)

    def disconnect(self, client: Client) -> None:
        super().disconnect(client)
        name = self.lingering.pop(client, None)
        for owner in [owner for owner, taken in self.names.items() if taken == name]:
            self.forget(owner)


if __name__ == "__main__":
    main(Mutant)
