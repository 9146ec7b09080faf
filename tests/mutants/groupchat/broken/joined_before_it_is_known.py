#!/usr/bin/env python3
"""Joined is sent before the server checks whether the name is free."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Joined, Welcome

CAUGHT_BY = "GC-JOIN-3"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        if client not in self.names:
            self.broadcast(Joined(name), exclude=client)
        super().on_join(client, name)

    def admit(self, client: Client, name: str) -> None:
        self.answer(client, Welcome(self.member_names()))
        self.names[client] = name


if __name__ == "__main__":
    main(Mutant)
