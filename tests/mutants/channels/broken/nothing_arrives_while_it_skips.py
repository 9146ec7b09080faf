#!/usr/bin/env python3
"""While the rest of a line that is too long is skipped, its client gets no messages."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if client not in self.skipping]


if __name__ == "__main__":
    main(Mutant)
