#!/usr/bin/env python3
"""A client that has asked for a name receives texts even if the name was refused."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-GUEST-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.asked: dict[Client, None] = {}

    def on_join(self, client: Client, name: str) -> None:
        self.asked[client] = None
        super().on_join(client, name)

    def recipients(self, reply: Reply) -> Iterable[Client]:
        return self.asked if isinstance(reply, Said) else super().recipients(reply)

    def close(self, client: Client) -> None:
        self.asked.pop(client, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
