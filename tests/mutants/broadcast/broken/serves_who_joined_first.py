#!/usr/bin/env python3
"""In each turn of the loop only the ready client that joined first is served."""

import selectors
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-5"


class First(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout)
        clients = sorted((each for each in ready if each[0].data), key=lambda each: each[0].data.number)
        return [each for each in ready if not each[0].data] + clients[:1]


class Mutant(Server):
    read_bytes = 1024
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.selector = First()


if __name__ == "__main__":
    main(Mutant)
