#!/usr/bin/env python3
"""Clients that have left stay in the subscriber lists, and are skipped."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-12"


class Mutant(Server):
    def unsubscribe(self, client: Client) -> None:
        pass

    def receivers(self, sender: Client) -> Iterable[Client]:
        return filter(self.is_connected, tuple(super().receivers(sender)))


if __name__ == "__main__":
    main(Mutant)
