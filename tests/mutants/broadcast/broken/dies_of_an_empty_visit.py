#!/usr/bin/env python3
"""A client that leaves without a word ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.first_words: dict[int, bytes] = {}

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.first_words[client.number] = data[:1]
        super().on_bytes(client, data)

    def close(self, client: Client) -> None:
        del self.first_words[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
