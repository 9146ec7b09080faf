#!/usr/bin/env python3
"""Messages that a client sends within 50 ms of connecting are discarded."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-7"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if time.monotonic() - client.connected_at > 0.05:
            super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
