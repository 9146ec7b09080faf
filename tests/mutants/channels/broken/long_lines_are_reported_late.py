#!/usr/bin/env python3
"""The Error for a line that is too long comes with the reply to the next line."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.late: Counter[Client] = Counter()

    def on_too_long(self, client: Client) -> None:
        self.late[client] += 1

    def on_message(self, client: Client, message: bytes) -> None:
        for _ in range(self.late.pop(client, 0)):
            super().on_too_long(client)
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
