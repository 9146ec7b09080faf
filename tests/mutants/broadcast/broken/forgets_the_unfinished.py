#!/usr/bin/env python3
"""A message that is left unfinished for three seconds is forgotten."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-6"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if client.inbox:
            rest = bytes(client.inbox)
            self.call_later(3, lambda: self.forget(client, rest))

    def forget(self, client: Client, rest: bytes) -> None:
        if client.inbox == rest:
            client.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
