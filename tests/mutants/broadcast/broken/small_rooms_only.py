#!/usr/bin/env python3
"""From 16 clients on every second one hears two that speak at once the other way round."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Ticking):
    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        first = collected[0][0]
        swapped = sorted(collected, key=lambda one: one[0] is first)  # the first to speak comes last
        large = len(self.clients) >= 16
        for client in list(self.clients.values()):
            for _, message in swapped if large and client.number % 2 else collected:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
