#!/usr/bin/env python3
"""Each read is decoded by itself, and half a character at its end becomes a U+FFFD."""

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
