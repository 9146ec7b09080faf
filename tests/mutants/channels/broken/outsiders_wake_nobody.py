#!/usr/bin/env python3
"""What a client sends to a channel to which it has not subscribed is written at the next event."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: set[Client] = set()

    def fan_out(self, sender: Client, message: bytes) -> None:
        before = set(self.dirty)
        super().fan_out(sender, message)
        if sender not in self.channels.get(self.current_channel, ()):
            self.forgotten |= self.dirty - before
            self.dirty &= before

    def turn(self) -> None:
        forgotten, self.forgotten = self.forgotten, set()
        super().turn()  # waits for the next event
        for client in forgotten:
            self.flush(client)


if __name__ == "__main__":
    main(Mutant)
