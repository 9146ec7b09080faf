#!/usr/bin/env python3
"""A text is decoded in pieces of 4096 bytes: a character across two of them becomes U+FFFD."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-3"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        data = text.encode()
        pieces = (data[start : start + 4096] for start in range(0, len(data), 4096))
        super().on_say(client, "".join(piece.decode(errors="replace") for piece in pieces))


if __name__ == "__main__":
    main(Mutant)
