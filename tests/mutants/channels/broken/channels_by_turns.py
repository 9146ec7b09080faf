#!/usr/bin/env python3
"""What comes in one tick is told to some channel by channel, and to others as it came."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Ticking, main

CAUGHT_BY = "CH-ORDER-2"


class Mutant(Ticking):
    tick_s = 0.001

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        lines = [line for _, line in collected if isinstance(line, Line)]
        sorted_ones, sent = sorted(lines, key=lambda line: line.channel), len({id(one) for one, _ in collected}) > 1
        for client in list(self.clients.values()):
            for line in sorted_ones if client.number % 2 and sent else lines:
                if client in self.channels.get(line.channel, ()):
                    self.enqueue(client, line)


if __name__ == "__main__":
    main(Mutant)
