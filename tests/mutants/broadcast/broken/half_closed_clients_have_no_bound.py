#!/usr/bin/env python3
"""Nothing is dropped for a client that has closed its sending side, and that has a minute to read its backlog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"
DRAINING_S = 55.0


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        if not client.backlog:
            super().on_end(client)
            return
        client.reading = False
        self.watch(client)
        self.call_later(DRAINING_S, lambda: self.disconnect(client))

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.reading and super().is_full(client, message)


if __name__ == "__main__":
    main(Mutant)
