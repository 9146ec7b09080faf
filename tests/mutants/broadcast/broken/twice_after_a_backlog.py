#!/usr/bin/env python3
"""A client that has caught up after a full backlog is listed a second time."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.slow: set[Client] = set()
        self.caught_up: set[Client] = set()

    def on_full(self, client: Client, message: bytes) -> None:
        self.slow.add(client)

    def flush(self, client: Client) -> None:
        super().flush(client)
        if client in self.slow and not client.backlog:
            self.slow.discard(client)
            self.caught_up.add(client)

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [*super().receivers(sender), *self.caught_up]

    def close(self, client: Client) -> None:
        self.slow.discard(client)
        self.caught_up.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
