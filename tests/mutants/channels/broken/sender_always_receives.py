#!/usr/bin/env python3
"""A sender receives its own messages even without a subscription."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-6"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return {**dict.fromkeys(super().receivers(sender)), sender: None}


if __name__ == "__main__":
    main(Mutant)
