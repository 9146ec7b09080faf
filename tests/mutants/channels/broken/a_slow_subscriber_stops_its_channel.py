#!/usr/bin/env python3
"""While a subscriber has no room, nothing is told to its channel."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-1"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        found = tuple(super().receivers(sender))
        return [] if any(client.size > 200_000 for client in found) else found


if __name__ == "__main__":
    main(Mutant)
