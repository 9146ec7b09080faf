#!/usr/bin/env python3
"""Subscribed is sent 2 ms late, and messages of the channel may arrive before it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-1"


class Mutant(Server):
    def on_subscribe(self, client: Client, channel: str) -> None:
        self.subscribe(client, channel)
        self.call_later(0.002, lambda: self.reply(client, {"Subscribed": channel}))


if __name__ == "__main__":
    main(Mutant)
