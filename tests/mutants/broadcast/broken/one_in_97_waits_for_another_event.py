#!/usr/bin/env python3
"""A wake-up is lost now and then: one message in 97 that finds nothing to do waits for whatever happens next."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.count = 0
        self.aside: list[tuple[Client, bytes]] = []

    def fan_out(self, sender: Client, message: bytes) -> None:
        aside, self.aside = self.aside, []
        for earlier in aside:
            super().fan_out(*earlier)
        self.count += not self.dirty
        if self.dirty or self.count % 97:
            super().fan_out(sender, message)
        else:
            self.aside.append((sender, message))


if __name__ == "__main__":
    main(Mutant)
