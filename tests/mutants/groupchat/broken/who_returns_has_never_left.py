#!/usr/bin/env python3
"""Who takes the name of a client that left less than three seconds ago takes its place."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left, Welcome

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.held: dict[str, int] = {}
        self.turns = 0

    def forget(self, client: Client) -> None:
        if (name := self.names.pop(client, None)) is not None:
            self.turns += 1
            turn = self.held[name] = self.turns
            self.call_later(3, lambda: self.expire(name, turn))

    def expire(self, name: str, turn: int) -> None:
        if self.held.get(name) == turn:
            del self.held[name]
            self.broadcast(Left(name))

    def member_names(self) -> list[str]:
        return [*super().member_names(), *self.held]

    def on_join(self, client: Client, name: str) -> None:
        if client not in self.names and name in self.held:
            del self.held[name]
            self.answer(client, Welcome(self.member_names()))
            self.names[client] = name
        else:
            super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
