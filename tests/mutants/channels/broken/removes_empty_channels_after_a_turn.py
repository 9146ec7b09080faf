#!/usr/bin/env python3
"""Channels that became empty in a turn of the loop are removed at its end, though others have subscribed since."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "CH-CHANNEL-10"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.empty: list[str] = []

    def forget(self, channel: str) -> None:
        self.empty.append(channel)

    def turn(self) -> None:
        super().turn()
        while self.empty:
            self.channels.pop(self.empty.pop(), None)


if __name__ == "__main__":
    main(Mutant)
