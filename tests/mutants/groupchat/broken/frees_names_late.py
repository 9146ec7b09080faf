#!/usr/bin/env python3
"""A name becomes free only 50 ms after Left has been sent."""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.going: Counter[str] = Counter()

    def is_taken(self, name: str) -> bool:
        return self.going[name] > 0 or super().is_taken(name)

    def forget(self, client: Client) -> None:
        if name := self.names.get(client, ""):
            self.going[name] += 1
            self.call_later(0.05, lambda: self.free(name))
        super().forget(client)

    def free(self, name: str) -> None:
        self.going[name] -= 1
        self.going += Counter()


if __name__ == "__main__":
    main(Mutant)
