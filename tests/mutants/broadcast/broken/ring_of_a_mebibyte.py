#!/usr/bin/env python3
"""In a message that spans a mebibyte boundary of its sender's stream, the bytes after it are NULs."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"
RING_BYTES = 1 << 20


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.taken: Counter[int] = Counter()

    def on_message(self, client: Client, message: bytes) -> None:
        start = self.taken[client.number]
        end = self.taken[client.number] = start + len(message)
        turn = end & -RING_BYTES
        if start < turn < end:
            message = message[: turn - start] + bytes(end - turn)
        super().on_message(client, message)

    def close(self, client: Client) -> None:
        del self.taken[client.number]
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
