#!/usr/bin/env python3
"""Input that is incomplete at the end of a recv is discarded, so a split message never arrives."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        client.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
