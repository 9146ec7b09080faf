#!/usr/bin/env python3
"""Of several Joins in one write the last counts: who has just joined may still change the name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Welcome

CAUGHT_BY = "GC-JOIN-6"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        self.new: set[Client] = set()
        super().on_bytes(client, data)
        self.new.clear()

    def admit(self, client: Client, name: str) -> None:
        super().admit(client, name)
        self.new.add(client)

    def on_join(self, client: Client, name: str) -> None:
        if client in self.new and not self.is_taken(name):
            self.names[client] = name
            self.answer(client, Welcome(self.member_names()))
        else:
            super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
