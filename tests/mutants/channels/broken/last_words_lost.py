#!/usr/bin/env python3
"""A message is forwarded a moment later, if its sender is still there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-COME-3"


class Mutant(Server):
    def fan_out(self, sender: Client, message: bytes) -> None:
        self.later(0.005, lambda: self.forward(sender, message))

    def forward(self, sender: Client, message: bytes) -> None:
        if self.is_here(sender):
            super().fan_out(sender, message)


if __name__ == "__main__":
    main(Mutant)
