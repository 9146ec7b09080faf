#!/usr/bin/env python3
"""A client that has subscribed twice is in the list twice, and is removed once when it leaves."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-12"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.lists: defaultdict[str, list[Client]] = defaultdict(list)

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, channel)
        self.lists[channel].append(client)

    def unsubscribe(self, client: Client) -> None:
        for channel in self.subscriptions.get(client, ()):
            self.lists[channel].remove(client)
            if not self.lists[channel]:
                del self.lists[channel]
        super().unsubscribe(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        listed = dict.fromkeys(self.lists.get(self.current_channel, ()))
        return [client for client in listed if self.is_connected(client)]


if __name__ == "__main__":
    main(Mutant)
