#!/usr/bin/env python3
"""While too many replies wait for a client, its requests are watched for and not read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import BACKLOG_BYTES, Client, Server, broadcast, main

CAUGHT_BY = "CH-LOAD-10"


class Mutant(Server):
    def read(self, client: Client) -> None:
        if client.backlog_bytes <= BACKLOG_BYTES:
            super().read(client)

    def watch(self, client: Client) -> None:
        broadcast.Server.watch(self, client)


if __name__ == "__main__":
    main(Mutant)
