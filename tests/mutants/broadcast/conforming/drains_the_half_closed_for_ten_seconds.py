#!/usr/bin/env python3
"""A client that has closed its sending side has ten seconds to read its backlog."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_end(self, client: Client) -> None:
        client.reading = False
        if not client.backlog:
            super().on_end(client)
            return
        self.watch(client)
        self.call_later(10, lambda: self.disconnect(client))

    def receivers(self, sender: Client) -> Iterable[Client]:
        return tuple(client for client in self.clients.values() if client.reading)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if self.is_connected(client) and not client.reading and not client.backlog:
            self.disconnect(client)


if __name__ == "__main__":
    main(Variant)
