#!/usr/bin/env python3
"""A line that is too long is skipped without an Error if the line before it was too long as well."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.told: set[Client] = set()

    def disconnect(self, client: Client) -> None:
        self.told.discard(client)
        super().disconnect(client)

    def on_message(self, client: Client, message: bytes) -> None:
        self.told.discard(client)
        super().on_message(client, message)

    def on_too_long(self, client: Client) -> None:
        if client not in self.told:
            self.told.add(client)
            super().on_too_long(client)


if __name__ == "__main__":
    main(Mutant)
