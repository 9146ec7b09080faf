#!/usr/bin/env python3
"""Conforming: a kilobyte of each client is kept for ten seconds after it has left, as a timer may do it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

KEPT_S = 10


class Remembering(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: dict[int, bytes] = {}

    def close(self, client: Client) -> None:
        super().close(client)
        self.kept[client.number] = os.urandom(1024)
        self.call_later(KEPT_S, lambda: self.forget(client))

    def forget(self, client: Client) -> None:
        del self.kept[client.number]


if __name__ == "__main__":
    main(Remembering)
