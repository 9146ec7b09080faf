#!/usr/bin/env python3
"""A backlog that is full is cleared, with the message that was partly written."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        client.backlog.clear()
        client.size = 0


if __name__ == "__main__":
    main(Mutant)
