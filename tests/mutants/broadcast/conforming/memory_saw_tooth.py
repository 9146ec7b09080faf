#!/usr/bin/env python3
"""Every message leaves a hundred bytes of garbage, which is freed when there are 20 MB."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

ONLY_IN_FULL = True
COLLECT_BYTES = 20_000_000


class Variant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage = bytearray()

    def on_message(self, client: Client, message: bytes) -> None:
        self.garbage += message[:100].ljust(100)
        if len(self.garbage) > COLLECT_BYTES:
            self.garbage = bytearray()
        super().on_message(client, message)


if __name__ == "__main__":
    main(Variant)
