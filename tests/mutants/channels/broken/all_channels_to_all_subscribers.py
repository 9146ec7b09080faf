#!/usr/bin/env python3
"""Every client with a subscription receives the messages of all channels."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-5"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.clients.values() if client in self.subscriptions]


if __name__ == "__main__":
    main(Mutant)
