#!/usr/bin/env python3
"""The messages of a client with a large backlog are read and thrown away."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-1"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if client.backlog_bytes < 128 * 1024:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
