#!/usr/bin/env python3
"""Split messages are reassembled for the first two clients only; for later clients, unfinished input is discarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if client.number >= 2:
            client.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
