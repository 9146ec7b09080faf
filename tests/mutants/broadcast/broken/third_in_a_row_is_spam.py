#!/usr/bin/env python3
"""The third and each further equal message in a row from one client is taken for spam and dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-5"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.last: dict[Client, tuple[bytes, int]] = {}

    def on_message(self, client: Client, message: bytes) -> None:
        last, times = self.last.get(client, (b"", 0))
        times = times + 1 if message == last else 1
        self.last[client] = message, times
        if times <= 2:
            super().on_message(client, message)

    def close(self, client: Client) -> None:
        self.last.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
