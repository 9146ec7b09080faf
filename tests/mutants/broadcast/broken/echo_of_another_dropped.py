#!/usr/bin/env python3
"""A message that equals another client's latest message is taken for an echo of it and dropped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-5"


class Mutant(Server):
    one_by_one = True
    latest: tuple[Client | None, bytes] = None, b""

    def on_message(self, client: Client, message: bytes) -> None:
        sender, latest_message = self.latest
        if sender not in (None, client) and message == latest_message:
            return
        self.latest = client, message
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
