#!/usr/bin/env python3
"""What comes behind the bound is taken for a line of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def on_endless(self, client: Client) -> None:
        client.inbox.clear()
        self.on_too_long(client)


if __name__ == "__main__":
    main(Mutant)
