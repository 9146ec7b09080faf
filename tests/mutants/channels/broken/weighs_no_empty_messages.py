#!/usr/bin/env python3
"""Messages are dropped while 256 KiB wait, but an empty one weighs nothing, and is never dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LOAD-2"
BUFFER = 4096  # bytes, of which each message has one
LONGER_S = 25.0  # until a client that takes nothing is disconnected


class Mutant(Server):
    def give_up(self, client: Client, pause: object) -> None:
        self.call_later(LONGER_S, lambda: super(Mutant, self).give_up(client, pause))

    def is_full(self, client: Client, message: bytes) -> bool:
        return not message.endswith(b'"message":""}}\n') and super().is_full(client, message)

    def append(self, client: Client, message: bytes) -> None:
        buffer = memoryview(bytearray(max(BUFFER, len(message))))[: len(message)]
        buffer[:] = message
        super().append(client, buffer)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Mutant)
