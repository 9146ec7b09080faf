#!/usr/bin/env python3
"""A message is forwarded to all clients except its sender."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-1"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if client is not sender]


if __name__ == "__main__":
    main(Mutant)
