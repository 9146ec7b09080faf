#!/usr/bin/env python3
"""Of what arrives together from a client without a subscription, each second message overtakes the one before it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ORDER-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.waiting: list[tuple[Client, str, str]] = []

    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        self.release()

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for sender, channel, message in waiting:
            super().publish(sender, channel, message)

    def publish(self, sender: Client, channel: str, message: str) -> None:
        if sender in self.subscriptions:
            super().publish(sender, channel, message)
        elif self.waiting:
            super().publish(sender, channel, message)
            self.release()
        else:
            self.waiting.append((sender, channel, message))

    def subscribe(self, client: Client, channel: str) -> None:
        self.release()
        super().subscribe(client, channel)


if __name__ == "__main__":
    main(Mutant)
