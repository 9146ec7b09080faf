#!/usr/bin/env python3
"""The messages of a channel overtake those of another one, for some of the clients in both."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ORDER-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.postponed: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        receivers = tuple(self.receivers(sender))
        if self.current_channel == "go" and len(receivers) > 9:
            for client in receivers[9:]:  # another thread is about to serve them
                self.postponed.append((client, message))
            receivers = receivers[:9]
        for client in receivers:
            self.enqueue(client, message)

    def turn(self) -> None:
        super().turn()
        postponed, self.postponed = self.postponed, []
        for client, message in postponed:
            if self.is_connected(client):
                self.enqueue(client, message)
        while self.dirty:
            self.flush(self.dirty.pop())


if __name__ == "__main__":
    main(Mutant)
