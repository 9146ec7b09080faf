#!/usr/bin/env python3
"""A client that has subscribed several times leaves as often, and takes the channel from the others."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-9"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.asked: defaultdict[Client, list[str]] = defaultdict(list)
        self.counts: Counter[str] = Counter()

    def subscribe(self, client: Client, channel: str) -> None:
        self.counts[channel] += client not in self.channels.get(channel, ())
        super().subscribe(client, channel)
        self.asked[client].append(channel)

    def unsubscribe(self, client: Client) -> None:
        self.subscriptions.pop(client, None)
        for channel in self.asked.pop(client, ()):
            self.channels.get(channel, {}).pop(client, None)
            self.counts[channel] -= 1
            if self.counts[channel] <= 0:
                self.channels.pop(channel, None)
                del self.counts[channel]


if __name__ == "__main__":
    main(Mutant)
