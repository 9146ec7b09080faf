#!/usr/bin/env python3
"""A client that subscribes twice receives every message twice."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.lists: defaultdict[str, list[Client]] = defaultdict(list)

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, channel)
        self.lists[channel].append(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.lists[self.current_channel] if self.is_connected(client)]


if __name__ == "__main__":
    main(Mutant)
