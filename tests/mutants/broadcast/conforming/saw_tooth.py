#!/usr/bin/env python3
"""Every closed connection leaves 8 KB of garbage, which is freed when there are 20 MB."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage = bytearray()

    def close(self, client: Client) -> None:
        super().close(client)
        self.garbage += os.urandom(8000)
        if len(self.garbage) > 20_000_000:
            self.garbage = bytearray()


if __name__ == "__main__":
    main(Variant)
