#!/usr/bin/env python3
"""Each channel has its own queue, and some queues are slower than others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Server, main

CAUGHT_BY = "CH-ORDER-1"


class Mutant(Server):
    def fan_out(self, sender: Client, message: bytes) -> None:
        assert isinstance(message, Line)
        self.call_later(0.001 * (len(message.channel) % 3), lambda: super(Mutant, self).fan_out(sender, message))


if __name__ == "__main__":
    main(Mutant)
