#!/usr/bin/env python3
"""Whoever has no room for something is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        self.leave(client)


if __name__ == "__main__":
    main(Oddball)
