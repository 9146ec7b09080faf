#!/usr/bin/env python3
"""Each read is decoded separately, so a character split between two reads is replaced by U+FFFD."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data.decode(errors="replace").encode())


if __name__ == "__main__":
    main(Mutant)
