#!/usr/bin/env python3
"""Subscribing again to the same channel is not answered."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-3"


class Mutant(Server):
    def on_subscribe(self, client: Client, channel: str) -> None:
        if channel not in self.subscriptions.get(client, ()):
            super().on_subscribe(client, channel)


if __name__ == "__main__":
    main(Mutant)
