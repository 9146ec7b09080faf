#!/usr/bin/env python3
"""A client that has closed its sending side is disconnected when its backlog is empty, and watched until then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        if not client.backlog:
            super().on_end(client)


if __name__ == "__main__":
    main(Mutant)
