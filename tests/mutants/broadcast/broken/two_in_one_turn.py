#!/usr/bin/env python3
"""When two clients send in the same turn of the loop, every second client receives the reverse order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Batching):
    batch_s = 0  # at the end of the turn

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        swapped = pending[::-1] if len(pending) == 2 else pending
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else pending:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
