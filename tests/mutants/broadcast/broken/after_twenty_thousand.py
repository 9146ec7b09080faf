#!/usr/bin/env python3
"""After 20,000 messages, every second client receives the last two of each batch in reverse order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-LOAD-11"


class Mutant(Batching):
    one_by_one = True
    count = 0

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        self.count += len(pending)
        swapped = pending[:-2] + pending[:-3:-1]
        if self.count < 20_000 or len({sender for sender, _ in pending[-2:]}) < 2:
            swapped = pending
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else pending:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
