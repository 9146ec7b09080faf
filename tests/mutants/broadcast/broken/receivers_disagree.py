#!/usr/bin/env python3
"""When two senders speak at once, every second client hears them the other way round."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Ticking):
    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        swapped = list(collected)
        for i in range(len(swapped) - 1, 0, -1):
            if swapped[i - 1][0] is not swapped[i][0]:
                swapped[i - 1], swapped[i] = swapped[i], swapped[i - 1]
                break
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else collected:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
