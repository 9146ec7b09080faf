#!/usr/bin/env python3
"""The loop over the clients ends at one for whom the kernel takes no more; the others are served at the next input."""

import sys
from pathlib import Path
from selectors import EVENT_WRITE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.postponed: set[Client] = set()

    def fan_out(self, sender: Client, message: bytes) -> None:
        super().fan_out(sender, message)
        full = next((client for client in self.clients.values() if client.events & EVENT_WRITE), None)
        if full:
            later = {client for client in self.dirty if client.number > full.number}
            self.postponed |= later
            self.dirty -= later

    def read(self, client: Client) -> None:
        postponed, self.postponed = self.postponed, set()
        for each in postponed:
            self.flush(each)
        super().read(client)


if __name__ == "__main__":
    main(Mutant)
