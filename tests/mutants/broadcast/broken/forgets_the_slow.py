#!/usr/bin/env python3
"""A client for which a message was dropped gets its backlog, and then nothing more."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: set[Client] = set()

    def on_full(self, client: Client, message: bytes) -> None:
        self.forgotten.add(client)

    def append(self, client: Client, message: bytes) -> None:
        if client not in self.forgotten:
            super().append(client, message)

    def close(self, client: Client) -> None:
        self.forgotten.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
