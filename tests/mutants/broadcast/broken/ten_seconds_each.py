#!/usr/bin/env python3
"""A client receives nothing more from ten seconds after it joined."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        early = time.monotonic() - 10
        return [client for client in super().receivers(sender) if client.connected_at > early]


if __name__ == "__main__":
    main(Mutant)
