#!/usr/bin/env python3
"""A large backlog has no bound, but a message that equals the last one waiting is not added to it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import BACKLOG_BYTES, Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    def is_full(self, client: Client, message: bytes) -> bool:
        return False

    def append(self, client: Client, message: bytes) -> None:
        if client.backlog_bytes > BACKLOG_BYTES:
            first = message[: 1 + message[0]]
            if message == first * (len(message) // len(first)):
                if client.backlog[-1].endswith(first):
                    return
                message = first
        super().append(client, message)


if __name__ == "__main__":
    main(Mutant)
