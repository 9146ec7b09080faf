#!/usr/bin/env python3
"""A client that has never subscribed stays in a table when it leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.history: list[bytes] = []

    def unsubscribe(self, client: Client) -> None:
        if client not in self.subscriptions:
            self.history.append(bytes(5000))
        super().unsubscribe(client)


if __name__ == "__main__":
    main(Mutant)
