#!/usr/bin/env python3
"""A full backlog is cleared, including the message that was partly written."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        client.backlog.clear()
        client.backlog_bytes = 0


if __name__ == "__main__":
    main(Mutant)
