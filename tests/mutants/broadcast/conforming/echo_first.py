#!/usr/bin/env python3
"""A client is read again only when its backlog is empty."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def watch(self, client: Client) -> None:
        client.reading = not client.backlog
        super().watch(client)


if __name__ == "__main__":
    main(Variant)
