#!/usr/bin/env python3
"""A text from a client that has not joined is refused, but kept and forwarded when the client joins."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-GUEST-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: dict[Client, list[str]] = {}

    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, text)
        if client not in self.names:
            self.kept.setdefault(client, []).append(text)

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        for text in self.kept.pop(client, []):
            self.on_say(client, text)

    def close(self, client: Client) -> None:
        self.kept.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
