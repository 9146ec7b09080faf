#!/usr/bin/env python3
"""A length byte is lost when it is the last byte of a full read of 4096 bytes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    read_bytes = 4096

    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if len(data) == self.read_bytes and len(client.inbox) == 1:
            client.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
