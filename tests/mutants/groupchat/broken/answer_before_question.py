#!/usr/bin/env python3
"""Now and then somebody hears one sender 20 ms later than all the others."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ORDER-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.count = 0
        self.held: tuple[str, Client] | None = None
        self.kept: list[bytes] = []
        self.dice = random.Random(7)

    def tell_now(self, reply: Reply, but: Client | None) -> None:
        if not isinstance(reply, Said):
            super().tell_now(reply, but)
            return
        self.count += 1
        others = [client for client, name in self.names.items() if name != reply.name]
        if not self.held and self.count % 3 == 0 and others:
            self.held = reply.name, self.dice.choice(others)
            self.later(0.02, self.release)
        for client in tuple(self.names):
            if self.held == (reply.name, client):
                self.kept.append(self.frame(reply))
            else:
                self.enqueue(client, self.frame(reply))

    def release(self) -> None:
        (_, client), self.held = self.held or ("", None), None
        kept, self.kept = self.kept, []
        for message in kept:
            if client in self.names:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
