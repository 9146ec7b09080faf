#!/usr/bin/env python3
"""Once a client has had a backlog, the server goes on waiting until the client can be written to."""

import sys
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.once_slow: set[Client] = set()

    def watch(self, client: Client) -> None:
        if client.backlog:
            self.once_slow.add(client)
        events = client.reading * EVENT_READ | (client in self.once_slow) * EVENT_WRITE
        if client.events:
            self.selector.modify(client.sock, events, client)
        else:
            self.selector.register(client.sock, events, client)
        client.events = events


if __name__ == "__main__":
    main(Mutant)
