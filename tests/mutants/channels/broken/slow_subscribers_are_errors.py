#!/usr/bin/env python3
"""A Send is answered by an Error when the backlog of a subscriber is full."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-7"


class Mutant(Server):
    is_slow = False

    def on_full(self, client: Client, message: bytes) -> None:
        self.is_slow = True

    def publish(self, sender: Client, channel: str, message: str) -> None:
        self.is_slow = False
        super().publish(sender, channel, message)
        if self.is_slow:
            raise RequestError("a subscriber is too slow")


if __name__ == "__main__":
    main(Mutant)
