#!/usr/bin/env python3
"""The last line of a client that leaves is served even without its LF."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-2"


class Mutant(Server):
    def on_end(self, client: Client) -> None:
        if client.inbox:
            self.on_line(client, bytes(client.inbox))
        super().on_end(client)


if __name__ == "__main__":
    main(Mutant)
