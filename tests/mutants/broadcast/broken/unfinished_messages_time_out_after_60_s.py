#!/usr/bin/env python3
"""A client that leaves a message unfinished for 60 s is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if client.inbox:
            rest = bytes(client.inbox)
            self.call_later(60, lambda: self.give_up(client, rest))

    def give_up(self, client: Client, rest: bytes) -> None:
        if client.inbox == rest:
            self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
