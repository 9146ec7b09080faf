#!/usr/bin/env python3
"""Output is written in pieces of 1 to 7 bytes, or larger odd sizes while the backlog is large."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.dice = random.Random(1)

    def send(self, client: Client, chunks: list[bytes]) -> int:
        most = self.dice.randint(1, 7)
        if client.backlog_bytes > 2048:
            most *= 331
        return super().send(client, [b"".join(chunks[:most])[:most]])


if __name__ == "__main__":
    main(Variant)
