#!/usr/bin/env python3
"""Every second member receives the last two texts of a batch in reverse order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ORDER-2"


class Mutant(Batching):
    def release(self, pending: list[tuple[Reply, Client | None]]) -> None:
        swapped = list(pending)
        for place in range(len(swapped) - 1, 0, -1):
            first, second = swapped[place - 1][0], swapped[place][0]
            if isinstance(first, Said) and isinstance(second, Said) and first.name != second.name:
                swapped[place - 1], swapped[place] = swapped[place], swapped[place - 1]
                break
        for client in tuple(self.names):
            for reply, exclude in swapped if client.number % 2 else pending:
                if client is not exclude:
                    self.append(client, self.encode_frame(reply))


if __name__ == "__main__":
    main(Mutant)
