#!/usr/bin/env python3
"""A client that has sent FIN stays in the room until writing to it fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        client.reading = False
        self.watch(client)


if __name__ == "__main__":
    main(Mutant)
