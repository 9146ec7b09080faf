#!/usr/bin/env python3
"""A client is read again only when it has taken all that waits for it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def watch(self, client: Client) -> None:
        client.reading = not client.backlog
        super().watch(client)


if __name__ == "__main__":
    main(Oddball)
