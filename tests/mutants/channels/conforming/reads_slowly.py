#!/usr/bin/env python3
"""Each read takes 30 ms, and is of a kilobyte at most."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    read_bytes = 1024

    def read(self, client: Client) -> None:
        time.sleep(0.03)
        super().read(client)


if __name__ == "__main__":
    main(Variant)
