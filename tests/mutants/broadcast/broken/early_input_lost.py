#!/usr/bin/env python3
"""What a client says in its first 50 ms is thrown away."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-7"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if time.monotonic() - client.since > 0.05:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
