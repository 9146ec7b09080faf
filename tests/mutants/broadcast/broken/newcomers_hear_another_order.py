#!/usr/bin/env python3
"""A newcomer hears its first 100 ms grouped by sender, while the others hear them as they came."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

CAUGHT_BY = "BC-ORDER-5"


class Mutant(Ticking):
    tick_s = 0.005

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        grouped = sorted(collected, key=lambda one: -one[0].number)
        early = time.monotonic() - 0.1
        for client in list(self.clients.values()):
            for _, message in grouped if client.since > early else collected:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
