#!/usr/bin/env python3
"""Garbage of 8 KB for each connection is collected when there are 20 MB of it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True
ONLY_IN_FULL = True


class Oddball(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage = bytearray()

    def close(self, client: Client) -> None:
        super().close(client)
        self.garbage += os.urandom(8000)
        if len(self.garbage) > 20_000_000:
            self.garbage = bytearray()


if __name__ == "__main__":
    main(Oddball)
