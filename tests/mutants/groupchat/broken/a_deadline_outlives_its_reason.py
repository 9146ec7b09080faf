#!/usr/bin/env python3
"""A client with many unread replies has ten seconds, also when it has caught up meanwhile."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-8"
LARGE = 64 * 1024
UNREAD_S = 10.0


class Mutant(Server):
    def watch(self, client: Client) -> None:
        is_large = client.backlog_bytes > LARGE
        if is_large and client.reading:
            self.call_later(UNREAD_S, lambda: self.disconnect(client))
        client.reading = not is_large
        super().watch(client)


if __name__ == "__main__":
    main(Mutant)
