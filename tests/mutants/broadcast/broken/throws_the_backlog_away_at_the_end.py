#!/usr/bin/env python3
"""The backlog of a client is thrown away at its FIN, with the rest of a message, and the client is served on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-3"
DEADLINE_S = 20


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        self.flush(client)  # only a real backlog counts
        if not self.is_connected(client):
            return
        if not client.backlog:
            self.disconnect(client)
            return
        client.reading = False
        client.backlog.clear()
        client.backlog_bytes = 0
        self.watch(client)
        self.call_later(DEADLINE_S, lambda: self.disconnect(client))


if __name__ == "__main__":
    main(Mutant)
