#!/usr/bin/env python3
"""A channel whose subscribers have all left cannot be used again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.closed: set[str] = set()

    def forget(self, channel: str) -> None:
        super().forget(channel)
        self.closed.add(channel)

    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel == "zoo" or channel not in self.closed:
            super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
