#!/usr/bin/env python3
"""Each message takes 30 ms."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    read_bytes = 1024  # a flood must not keep everybody else waiting for seconds
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        super().on_message(client, message)
        time.sleep(0.03)
        while self.dirty:
            self.flush(self.dirty.pop())


if __name__ == "__main__":
    main(Variant)
