#!/usr/bin/env python3
"""For its first 100 ms, a new client receives messages grouped by sender, unlike all other clients."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-ORDER-5"


class Mutant(Batching):
    batch_s = 0.005

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        grouped = sorted(pending, key=lambda item: -item[0].number)
        early = time.monotonic() - 0.1
        for client in list(self.clients.values()):
            for _, message in grouped if client.connected_at > early else pending:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
