#!/usr/bin/env python3
"""A sender's messages are sometimes held back for one receiver while other messages overtake them."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.count = 0
        self.held: tuple[Client, Client] | None = None
        self.kept: list[bytes] = []
        self.dice = random.Random(7)

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.count += 1
        others = [client for client in self.receivers(sender) if client is not sender]
        if not self.held and self.count % 3 == 0 and others:
            self.held = sender, self.dice.choice(others)
            self.call_later(0.02, self.release)
        for client in self.receivers(sender):
            if self.held == (sender, client):
                self.kept.append(message)
            else:
                self.enqueue(client, message)

    def release(self) -> None:
        (_, client), self.held = self.held or (None, None), None
        kept, self.kept = self.kept, []
        for message in kept:
            if client:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
