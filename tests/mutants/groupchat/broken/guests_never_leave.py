#!/usr/bin/env python3
"""The end of a guest's stream is not handled."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-8"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        if client in self.names:
            super().on_end(client)
        else:
            client.reading = False
            self.watch(client)


if __name__ == "__main__":
    main(Mutant)
