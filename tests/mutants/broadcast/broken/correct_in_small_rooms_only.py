#!/usr/bin/env python3
"""From 16 clients on, every second client receives simultaneous messages of two senders in reverse order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Batching):
    large = 16  # clients

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        first = pending[0][0]
        swapped = sorted(pending, key=lambda item: item[0] is first)  # the first sender comes last
        is_large = len(self.clients) >= self.large
        for client in list(self.clients.values()):
            for _, message in swapped if is_large and client.number % 2 else pending:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
