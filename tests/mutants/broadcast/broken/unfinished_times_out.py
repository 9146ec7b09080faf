#!/usr/bin/env python3
"""A message left unfinished for three seconds is forwarded as far as it came, with its length corrected."""

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
            self.call_later(3, lambda: self.give_up(client, rest))

    def give_up(self, client: Client, rest: bytes) -> None:
        if self.is_connected(client) and client.inbox == rest:
            client.inbox.clear()
            self.on_message(client, bytes([len(rest) - 1]) + rest[1:])


if __name__ == "__main__":
    main(Mutant)
