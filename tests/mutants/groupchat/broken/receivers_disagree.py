#!/usr/bin/env python3
"""Every other member hears the last two texts of a turn the other way round."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ORDER-2"


class Mutant(Ticking):
    def release(self, collected: list[tuple[Reply, Client | None]]) -> None:
        swapped = list(collected)
        for place in range(len(swapped) - 1, 0, -1):
            first, second = swapped[place - 1][0], swapped[place][0]
            if isinstance(first, Said) and isinstance(second, Said) and first.name != second.name:
                swapped[place - 1], swapped[place] = swapped[place], swapped[place - 1]
                break
        for client in tuple(self.names):
            for reply, but in swapped if client.number % 2 else collected:
                if client is not but:
                    self.append(client, self.frame(reply))


if __name__ == "__main__":
    main(Mutant)
