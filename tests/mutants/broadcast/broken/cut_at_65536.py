#!/usr/bin/env python3
"""A message that spans the 65,536th byte of its sender's stream is cut there."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.taken: Counter[int] = Counter()

    def on_message(self, client: Client, message: bytes) -> None:
        start = self.taken[client.number]
        end = self.taken[client.number] = start + len(message)
        if start < 65536 < end:
            message = bytes([65535 - start]) + message[1 : 65536 - start]
        super().on_message(client, message)

    def close(self, client: Client) -> None:
        del self.taken[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
