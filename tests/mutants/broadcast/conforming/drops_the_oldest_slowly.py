#!/usr/bin/env python3
"""A full backlog loses its oldest messages, which takes a copy of it for every message."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    one_by_one = True

    def on_full(self, client: Client, message: bytes) -> None:
        kept = [client.backlog[0]]
        for waiting in list(client.backlog)[2:]:
            kept.append(waiting)
        client.backlog = deque(kept)
        client.backlog_bytes = sum(map(len, kept))
        self.append(client, message)


if __name__ == "__main__":
    main(Variant)
