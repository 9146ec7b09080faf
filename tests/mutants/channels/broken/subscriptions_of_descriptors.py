#!/usr/bin/env python3
"""Subscriptions belong to descriptors: a client that gets a reused one inherits them."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.descriptors: defaultdict[str, set[int]] = defaultdict(set)

    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, channel)
        self.descriptors[channel].add(client.sock.fileno())

    def receivers(self, sender: Client) -> Iterable[Client]:
        wanted = self.descriptors[self.current_channel]
        return [client for client in self.clients.values() if client.sock.fileno() in wanted]

    def forget(self, channel: str) -> None:
        pass


if __name__ == "__main__":
    main(Mutant)
