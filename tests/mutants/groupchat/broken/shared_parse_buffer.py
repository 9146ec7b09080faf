#!/usr/bin/env python3
"""All clients share one parse buffer."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-FRAME-5"


class Mutant(Server):
    inbox = bytearray()

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox = self.inbox
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
