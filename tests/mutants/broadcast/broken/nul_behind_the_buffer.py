#!/usr/bin/env python3
"""A NUL is written after the bytes read; in a full buffer of 4096 bytes it replaces the last byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    read_bytes = 4096

    def on_bytes(self, client: Client, data: bytes) -> None:
        if len(data) == self.read_bytes:
            data = data[:-1] + b"\0"
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
