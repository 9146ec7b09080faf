#!/usr/bin/env python3
"""Texts are dropped while 256 KiB wait, but an empty one weighs nothing, and is never dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-2"


class Mutant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return message[-1] > 0 and super().is_full(client, message)

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, bytearray(message))  # type: ignore[arg-type]  # a copy for each client


if __name__ == "__main__":
    main(Mutant)
