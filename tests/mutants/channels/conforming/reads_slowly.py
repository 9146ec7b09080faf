#!/usr/bin/env python3
"""A read is of a kilobyte at most, and takes 30 ms if there is as much."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    read_bytes = 1024

    def on_bytes(self, client: Client, data: bytes) -> None:
        if len(data) == self.read_bytes:
            time.sleep(0.03)
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Variant)
