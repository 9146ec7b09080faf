#!/usr/bin/env python3
"""While the backlog of one subscriber is nearly full, its channel gets no messages."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-1"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        subscribers = tuple(super().receivers(sender))
        return [] if any(client.backlog_bytes > 200_000 for client in subscribers) else subscribers


if __name__ == "__main__":
    main(Mutant)
