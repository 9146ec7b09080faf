#!/usr/bin/env python3
"""One sender's texts sometimes reach one client 20 ms later than all the others."""

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

    def broadcast_now(self, reply: Reply, exclude: Client | None) -> None:
        if not isinstance(reply, Said):
            super().broadcast_now(reply, exclude)
            return
        self.count += 1
        others = [client for client, name in self.names.items() if name != reply.name]
        if not self.held and self.count % 3 == 0 and others:
            self.held = reply.name, self.dice.choice(others)
            self.call_later(0.02, self.release)
        for client in tuple(self.names):
            if self.held == (reply.name, client):
                self.kept.append(self.encode_frame(reply))
            else:
                self.enqueue(client, self.encode_frame(reply))

    def release(self) -> None:
        (_, client), self.held = self.held or ("", None), None
        kept, self.kept = self.kept, []
        for message in kept:
            if client in self.names:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
