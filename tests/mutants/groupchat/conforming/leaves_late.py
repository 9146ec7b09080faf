#!/usr/bin/env python3
"""A client that has left is noticed 30 ms later: until then its name is taken and no Left is sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_end(self, client: Client) -> None:
        self.gone(client)

    def on_error(self, client: Client, error: OSError) -> None:
        self.gone(client)

    def gone(self, client: Client) -> None:
        if client.events:
            self.selector.unregister(client.sock)
        client.events, client.reading = 0, False
        client.backlog.clear()
        client.backlog_bytes = 0
        self.call_later(0.03, lambda: self.disconnect(client))

    def watch(self, client: Client) -> None:
        if client.reading:
            super().watch(client)

    def flush(self, client: Client) -> None:
        if client.reading:
            super().flush(client)


if __name__ == "__main__":
    main(Variant)
