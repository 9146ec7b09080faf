#!/usr/bin/env python3
"""What a client sends in the first moment after it has connected is lost."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-7"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if time.monotonic() - client.since > 0.05:
            super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
