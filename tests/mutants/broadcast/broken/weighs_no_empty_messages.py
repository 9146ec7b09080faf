#!/usr/bin/env python3
"""The bound of a backlog is one of the bytes in bodies: of empty messages a client may have any number waiting."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import BACKLOG_BYTES, Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    one_by_one = True

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes - len(client.backlog) + len(message) - 1 > BACKLOG_BYTES

    def append(self, client: Client, message: bytes) -> None:
        # A buffer of its own for each copy: Python has one object for all equal messages of one byte.
        super().append(client, bytearray(message))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Mutant)
