#!/usr/bin/env python3
"""A client receives nothing more after 5,000 messages."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.sent_counts: Counter[int] = Counter()

    def append(self, client: Client, message: bytes) -> None:
        self.sent_counts[client.number] += 1
        if self.sent_counts[client.number] <= 5000:
            super().append(client, message)

    def close(self, client: Client) -> None:
        del self.sent_counts[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
