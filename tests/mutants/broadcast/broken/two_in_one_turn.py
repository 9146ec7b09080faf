#!/usr/bin/env python3
"""When two clients speak in the same turn, every second client hears them the other way round."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Ticking):
    tick_s = 0  # at the end of the turn

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        swapped = collected[::-1] if len(collected) == 2 else collected
        for client in list(self.clients.values()):
            for _, message in swapped if client.number % 2 else collected:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
