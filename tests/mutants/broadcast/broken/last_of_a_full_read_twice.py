#!/usr/bin/env python3
"""A message that ends at the end of a full read of 4096 bytes is taken for unfinished and handled again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    read_bytes = 4096
    one_by_one = True
    last = b""

    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if len(data) == self.read_bytes and not client.inbox:
            super().on_message(client, self.last)

    def on_message(self, client: Client, message: bytes) -> None:
        self.last = message
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
