#!/usr/bin/env python3
"""After 20,000 messages every second client hears the last two of a tick the other way round."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

CAUGHT_BY = "BC-LOAD-11"


class Mutant(Ticking):
    one_by_one = True
    count = 0

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        self.count += len(collected)
        swapped = collected[:-2] + collected[:-3:-1]
        if self.count < 20_000 or len({sender for sender, _ in collected[-2:]}) < 2:
            swapped = collected
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else collected:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
