#!/usr/bin/env python3
"""Texts that a client sends within 50 ms of connecting are discarded."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-7"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        if time.monotonic() - client.connected_at > 0.05 or client not in self.names:
            super().on_say(client, text)


if __name__ == "__main__":
    main(Mutant)
