#!/usr/bin/env python3
"""That somebody has left is found out and told 30 ms later; the name is taken so long."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    def on_end(self, client: Client) -> None:
        self.gone(client)

    def on_error(self, client: Client, error: OSError) -> None:
        self.gone(client)

    def gone(self, client: Client) -> None:
        if client.events:
            self.selector.unregister(client.sock)
        client.events, client.reading = 0, False
        client.backlog.clear()
        client.size = 0
        self.later(0.03, lambda: self.leave(client))

    def watch(self, client: Client) -> None:
        if client.reading:
            super().watch(client)

    def flush(self, client: Client) -> None:
        if client.reading:
            super().flush(client)


if __name__ == "__main__":
    main(Oddball)
