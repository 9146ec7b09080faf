#!/usr/bin/env python3
"""Backlogs have no bound, and adding to one takes as long as it is."""

import sys
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    one_by_one = True

    def is_full(self, client: Client, message: bytes) -> bool:
        return False

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        client.backlog_bytes = sum(map(len, islice(client.backlog, 1000)))


if __name__ == "__main__":
    main(Mutant)
