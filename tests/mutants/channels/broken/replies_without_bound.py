#!/usr/bin/env python3
"""Who does not read is read on, and its replies add up."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-2"


class Mutant(Server):
    def watch(self, client: Client) -> None:
        size, client.size = client.size, min(client.size, 1)
        super().watch(client)
        client.size = size


if __name__ == "__main__":
    main(Mutant)
