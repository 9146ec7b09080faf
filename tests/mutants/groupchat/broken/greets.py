#!/usr/bin/env python3
"""The server sends every client that joins a text of its own."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-DELIVER-3"


class Mutant(Server):
    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        self.answer(client, Said(name, f"welcome, {name}!"))


if __name__ == "__main__":
    main(Mutant)
