#!/usr/bin/env python3
"""The channels are told to everybody who has subscribed to anything."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-5"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in self.clients.values() if client in self.heard]


if __name__ == "__main__":
    main(Mutant)
