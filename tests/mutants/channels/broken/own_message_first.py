#!/usr/bin/env python3
"""A subscribed sender receives its own message immediately, ahead of the queue for all others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, Line, main

CAUGHT_BY = "CH-ORDER-4"


class Mutant(Batching):
    batch_s = 0.005

    def fan_out(self, sender: Client, message: bytes) -> None:
        assert isinstance(message, Line)
        if sender in self.channels.get(message.channel, ()):
            self.enqueue(sender, message)
        super().fan_out(sender, message)

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        for sender, message in pending:
            assert isinstance(message, Line)
            for client in self.channels.get(message.channel, ()):
                if client is not sender:
                    self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
