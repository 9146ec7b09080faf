#!/usr/bin/env python3
"""A full backlog is sorted by the names of the senders."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-ORDER-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.sorted: set[Client] = set()

    def on_full(self, client: Client, message: bytes) -> None:
        if client not in self.sorted:
            self.sorted.add(client)
            head, *rest = client.backlog
            # Bytes 3 to 5 of a Said are the length and the beginning of the name.
            client.backlog = deque([head, *sorted(rest, key=lambda frame: frame[3:6])])

    def flush(self, client: Client) -> None:
        super().flush(client)
        if not client.backlog:
            self.sorted.discard(client)

    def close(self, client: Client) -> None:
        self.sorted.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
