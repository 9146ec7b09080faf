#!/usr/bin/env python3
"""There are 300 slots, and those of departed clients are not reused: later clients receive nothing."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-7"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if client.number < 300]


if __name__ == "__main__":
    main(Mutant)
