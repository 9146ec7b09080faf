#!/usr/bin/env python3
"""Each request takes 30 ms, also one that is refused because it is none."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    read_bytes = 1024  # a flood must not keep everybody else waiting for seconds

    def on_message(self, client: Client, message: bytes) -> None:
        super().on_message(client, message)
        time.sleep(0.03)
        while self.dirty:
            self.flush(self.dirty.pop())


if __name__ == "__main__":
    main(Variant)
