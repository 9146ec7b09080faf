#!/usr/bin/env python3
"""A client that has closed its sending side is served until writing to it fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_end(self, client: Client) -> None:
        client.inbox.clear()
        client.reading = False
        self.watch(client)


if __name__ == "__main__":
    main(Variant)
