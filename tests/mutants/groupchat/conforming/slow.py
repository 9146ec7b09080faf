#!/usr/bin/env python3
"""Each valid request takes 30 ms."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Request


class Variant(Server):
    read_bytes = 1024  # a flood must not keep everybody else waiting for seconds

    def serve(self, client: Client, request: Request) -> None:
        super().serve(client, request)
        time.sleep(0.03)
        while self.dirty:
            self.flush(self.dirty.pop())


if __name__ == "__main__":
    main(Variant)
