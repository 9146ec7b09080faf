#!/usr/bin/env python3
"""A client whose backlog was full is not read until it has caught up; and then it is not read again either."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-1"
BACKLOG_BYTES = 1024 * 1024
PATIENCE_S = 30


class Mutant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes + len(message) > BACKLOG_BYTES

    def on_full(self, client: Client, message: bytes) -> None:
        if client.reading:
            client.reading = False
            self.watch(client)
            self.call_later(PATIENCE_S, lambda: self.give_up(client))

    def give_up(self, client: Client) -> None:
        if client.backlog:
            self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
