#!/usr/bin/env python3
"""The backlog of a stalled client is freed late, once 200,000 messages have passed: as a garbage collector may do."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

ONLY_IN_FULL = True


class Variant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.garbage: list[bytes] = []
        self.forwarded = 0

    def on_message(self, client: Client, message: bytes) -> None:
        self.forwarded += 1
        if self.forwarded % 200_000 == 0:
            self.garbage.clear()
        super().on_message(client, message)

    def close(self, client: Client) -> None:
        super().close(client)
        if client.events & EVENT_WRITE:
            self.garbage.append(b"".join(client.backlog))


if __name__ == "__main__":
    main(Variant)
