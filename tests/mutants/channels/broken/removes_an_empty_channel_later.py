#!/usr/bin/env python3
"""A channel is removed some seconds after its last subscriber has left, though others have subscribed since."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-10"


class Mutant(Server):
    def forget(self, channel: str) -> None:
        self.call_later(5, lambda: self.channels.pop(channel, None))


if __name__ == "__main__":
    main(Mutant)
