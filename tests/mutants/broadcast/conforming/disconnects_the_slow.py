#!/usr/bin/env python3
"""A client that has a full backlog is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        self.leave(client)

    def append(self, client: Client, message: bytes) -> None:
        if self.is_here(client):
            super().append(client, message)


if __name__ == "__main__":
    main(Oddball)
