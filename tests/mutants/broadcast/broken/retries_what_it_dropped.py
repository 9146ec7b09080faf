#!/usr/bin/env python3
"""A message that did not fit into a backlog is tried again later, after newer messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-5"


class Mutant(Server):
    retries = 0

    def on_full(self, client: Client, message: bytes) -> None:
        if self.retries < 64:
            self.retries += 1
            self.call_later(0.2, lambda: self.retry(client, message))

    def retry(self, client: Client, message: bytes) -> None:
        self.retries -= 1
        self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
