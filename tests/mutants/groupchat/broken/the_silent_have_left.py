#!/usr/bin/env python3
"""A member that has sent nothing for ten seconds counts as gone, although it stays."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left

CAUGHT_BY = "GC-ROOM-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.latest: dict[Client, float] = {}

    def start(self) -> None:
        super().start()
        self.look()

    def look(self) -> None:
        self.call_later(1, self.look)
        for client, name in list(self.names.items()):
            if time.monotonic() - self.latest.get(client, time.monotonic()) > 10:
                self.latest[client] = float("inf")  # once
                self.broadcast(Left(name), exclude=client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.latest[client] = time.monotonic()
        super().on_bytes(client, data)

    def close(self, client: Client) -> None:
        self.latest.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
