#!/usr/bin/env python3
"""While too many answers wait for a client, its requests are watched for and not read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-10"
LARGE = 512 * 1024  # more than texts may take


class Mutant(Server):
    def read(self, client: Client) -> None:
        if client.backlog_bytes <= LARGE:
            super().read(client)


if __name__ == "__main__":
    main(Mutant)
