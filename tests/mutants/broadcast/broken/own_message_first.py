#!/usr/bin/env python3
"""A sender receives its own message immediately, ahead of the queue for all other clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

CAUGHT_BY = "BC-ORDER-4"


class Mutant(Batching):
    batch_s = 0.005

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.enqueue(sender, message)
        super().fan_out(sender, message)

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        for sender, message in pending:
            for client in self.receivers(sender):
                if client is not sender:
                    self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
