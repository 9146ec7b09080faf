#!/usr/bin/env python3
"""A client that leaves is removed from sixty-four of its channels, and stays in the lists of all others."""

import sys
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-12"


class Mutant(Server):
    def unsubscribe(self, client: Client) -> None:
        self.subscriptions[client] = set(islice(self.subscriptions.get(client, ()), 64))
        super().unsubscribe(client)


if __name__ == "__main__":
    main(Mutant)
