#!/usr/bin/env python3
"""Bytes are forwarded as they arrive, including those of an unfinished message."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-6"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        self.fan_out(client, data)


if __name__ == "__main__":
    main(Mutant)
