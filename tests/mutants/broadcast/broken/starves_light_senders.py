#!/usr/bin/env python3
"""A client that sends much is read until it has been silent for a second; no other client is read meanwhile."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-5"
SILENCE_S = 1.0  # longer than any pause of a flood on a busy machine


class Mutant(Server):
    hog: Client | None = None
    hog_until = 0.0

    def read(self, client: Client) -> None:
        if self.hog in (None, client) or time.monotonic() > self.hog_until:
            super().read(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        if len(data) >= 8192:
            self.hog, self.hog_until = client, time.monotonic() + SILENCE_S
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
