#!/usr/bin/env python3
"""A line that is too long is told when it has ended."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    def on_endless(self, client: Client) -> None:
        client.inbox.clear()
        self.skipping.add(client)

    def on_whole(self, client: Client, line: bytes) -> None:
        if client in self.skipping:
            self.on_too_long(client)
        super().on_whole(client, line)


if __name__ == "__main__":
    main(Oddball)
