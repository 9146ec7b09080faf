#!/usr/bin/env python3
"""A message that equals the latest one of another client is taken for its echo and dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-5"


class Mutant(Server):
    one_by_one = True
    latest: tuple[Client | None, bytes] = None, b""

    def on_message(self, client: Client, message: bytes) -> None:
        sender, said = self.latest
        if sender not in (None, client) and message == said:
            return
        self.latest = client, message
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
