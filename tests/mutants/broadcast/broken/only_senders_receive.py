#!/usr/bin/env python3
"""A client that has never sent anything receives nothing."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.senders: set[int] = set()

    def receivers(self, sender: Client) -> Iterable[Client]:
        self.senders.add(sender.number)
        return [client for client in super().receivers(sender) if client.number in self.senders]


if __name__ == "__main__":
    main(Mutant)
