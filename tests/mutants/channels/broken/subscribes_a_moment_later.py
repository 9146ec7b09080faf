#!/usr/bin/env python3
"""A client is subscribed only 50 ms after Subscribed has been sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-2"


class Mutant(Server):
    def subscribe(self, client: Client, channel: str) -> None:
        self.channels.setdefault(channel, {})
        self.call_later(0.05, lambda: self.enter(client, channel))

    def enter(self, client: Client, channel: str) -> None:
        if self.is_connected(client):
            super().subscribe(client, channel)


if __name__ == "__main__":
    main(Mutant)
