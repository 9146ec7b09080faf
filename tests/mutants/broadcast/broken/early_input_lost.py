#!/usr/bin/env python3
"""Messages that a client sends in its first 50 ms are discarded."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-7"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if time.monotonic() - client.connected_at > 0.05:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
