#!/usr/bin/env python3
"""A client that leaves without having sent anything ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.first_bytes: dict[int, bytes] = {}

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.first_bytes[client.number] = data[:1]
        super().on_bytes(client, data)

    def close(self, client: Client) -> None:
        del self.first_bytes[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
