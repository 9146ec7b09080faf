#!/usr/bin/env python3
"""Who sends to a channel it has subscribed to hears itself at once, and the others in the next tick."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Ticking, main

CAUGHT_BY = "CH-ORDER-4"


class Mutant(Ticking):
    tick_s = 0.005

    def fan_out(self, sender: Client, message: bytes) -> None:
        assert isinstance(message, Line)
        if sender in self.channels.get(message.channel, ()):
            self.enqueue(sender, message)
        super().fan_out(sender, message)

    def release(self, collected: list[tuple[Client, bytes]]) -> None:
        for sender, message in collected:
            assert isinstance(message, Line)
            for client in self.channels.get(message.channel, ()):
                if client is not sender:
                    self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
