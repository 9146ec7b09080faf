#!/usr/bin/env python3
"""The loop never waits while a client has a backlog."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def select_timeout(self) -> float | None:
        has_backlog = any(client.backlog for client in self.clients.values())
        return 0 if has_backlog else super().select_timeout()


if __name__ == "__main__":
    main(Mutant)
