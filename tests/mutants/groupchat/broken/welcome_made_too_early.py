#!/usr/bin/env python3
"""Welcome is built when Join is read, but sent 3 ms later, when the client is entered."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Joined, Welcome

CAUGHT_BY = "GC-ROOM-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.reserved: set[str] = set()

    def is_taken(self, name: str) -> bool:
        return name in self.reserved or super().is_taken(name)

    def admit(self, client: Client, name: str) -> None:
        names = self.member_names()
        self.reserved.add(name)
        client.reading = False
        self.watch(client)
        self.call_later(0.003, lambda: self.enter(client, name, names))

    def enter(self, client: Client, name: str, names: list[str]) -> None:
        self.reserved.discard(name)
        if self.is_connected(client):
            self.answer(client, Welcome(names))
            self.names[client] = name
            self.broadcast(Joined(name), exclude=client)
            client.reading = True
            self.watch(client)


if __name__ == "__main__":
    main(Mutant)
