#!/usr/bin/env python3
"""A backlog is written only when another message is added to it."""

import sys
from pathlib import Path
from selectors import EVENT_READ

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    def watch(self, client: Client) -> None:
        if not client.events:
            self.selector.register(client.sock, EVENT_READ, client)
            client.events = EVENT_READ


if __name__ == "__main__":
    main(Mutant)
