#!/usr/bin/env python3
"""Some clients receive the messages of a batch grouped by channel, and the others as they arrived."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, Line, main

CAUGHT_BY = "CH-ORDER-2"


class Mutant(Batching):
    batch_s = 0.001

    def release(self, pending: list[tuple[Client, bytes]]) -> None:
        lines = [line for _, line in pending if isinstance(line, Line)]
        grouped = sorted(lines, key=lambda line: line.channel)
        many_senders = len({id(sender) for sender, _ in pending}) > 1
        for client in list(self.clients.values()):
            for line in grouped if client.number % 2 and many_senders else lines:
                if client in self.channels.get(line.channel, ()):
                    self.enqueue(client, line)


if __name__ == "__main__":
    main(Mutant)
