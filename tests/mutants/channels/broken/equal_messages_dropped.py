#!/usr/bin/env python3
"""A message that equals the one before it in its channel is dropped as a copy."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.latest: dict[str, str] = {}

    def publish(self, sender: Client, channel: str, message: str) -> None:
        if self.latest.get(channel) != message:
            super().publish(sender, channel, message)
        self.latest[channel] = message


if __name__ == "__main__":
    main(Mutant)
