#!/usr/bin/env python3
"""When two clients send at the same time, every second client receives their messages in reverse order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Batching):
    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        swapped = list(pending)
        for i in range(len(swapped) - 1, 0, -1):
            if swapped[i - 1][0] is not swapped[i][0]:
                swapped[i - 1], swapped[i] = swapped[i], swapped[i - 1]
                break
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else pending:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
