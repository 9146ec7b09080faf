#!/usr/bin/env python3
"""Messages are forwarded 50 ms later, unless their sender has left by then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-3"


class Mutant(Server):
    def fan_out(self, sender: Client, message: bytes) -> None:
        self.call_later(0.05, lambda: self.forward(sender, message))

    def forward(self, sender: Client, message: bytes) -> None:
        if self.is_connected(sender):
            super().fan_out(sender, message)


if __name__ == "__main__":
    main(Mutant)
