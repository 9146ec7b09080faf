#!/usr/bin/env python3
"""A message that equals one of the last thousand messages is dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-5"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.recent: dict[bytes, None] = {}

    def on_message(self, client: Client, message: bytes) -> None:
        if message in self.recent:
            return
        self.recent[message] = None
        if len(self.recent) > 1000:
            del self.recent[next(iter(self.recent))]
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
