#!/usr/bin/env python3
"""Left has the name that its client asked for first, even if that was refused."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left

CAUGHT_BY = "GC-JOIN-5"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.asked: dict[Client, str] = {}

    def on_join(self, client: Client, name: str) -> None:
        self.asked.setdefault(client, name)
        super().on_join(client, name)

    def forget(self, client: Client) -> None:
        asked = self.asked.pop(client, "")
        if self.names.pop(client, None) is not None:
            self.broadcast(Left(asked))


if __name__ == "__main__":
    main(Mutant)
