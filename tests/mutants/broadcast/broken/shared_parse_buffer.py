#!/usr/bin/env python3
"""All unfinished messages share one buffer, so those of two clients get mixed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.buffer = bytearray()
        self.unfinished: set[int] = set()

    def on_bytes(self, client: Client, data: bytes) -> None:
        is_complete = self.complete_length(data) == len(data)
        if client.number in self.unfinished or not is_complete:
            client.inbox = self.buffer
        super().on_bytes(client, data)
        if client.inbox:
            self.unfinished.add(client.number)
        else:
            self.unfinished.discard(client.number)
            client.inbox = bytearray()

    def close(self, client: Client) -> None:
        if client.number in self.unfinished:
            self.unfinished.discard(client.number)
            self.buffer.clear()
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
