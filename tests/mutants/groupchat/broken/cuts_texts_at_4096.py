#!/usr/bin/env python3
"""Texts are cut to the size of a 4096-byte buffer."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-SAY-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, text.encode()[:4096].decode(errors="ignore"))


if __name__ == "__main__":
    main(Mutant)
