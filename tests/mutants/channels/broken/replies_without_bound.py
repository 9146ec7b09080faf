#!/usr/bin/env python3
"""A client that does not read its replies is still read from, and they are queued without bound."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-2"


class Mutant(Server):
    def watch(self, client: Client) -> None:
        size, client.backlog_bytes = client.backlog_bytes, min(client.backlog_bytes, 1)
        super().watch(client)
        client.backlog_bytes = size


if __name__ == "__main__":
    main(Mutant)
