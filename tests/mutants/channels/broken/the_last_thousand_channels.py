#!/usr/bin/env python3
"""A client receives only the last thousand channels to which it has subscribed."""

import sys
from collections import defaultdict, deque
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-4"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.latest: defaultdict[int, deque[str]] = defaultdict(lambda: deque(maxlen=1000))

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, channel)
        self.latest[client.number].append(channel)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if self.current_channel in self.latest[client.number]]

    def close(self, client: Client) -> None:
        self.latest.pop(client.number, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
