#!/usr/bin/env python3
"""Once a second the server looks through a table of a million slots."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    def start(self) -> None:
        super().start()
        self.table: list[object] = [None] * 1_000_000
        self.look()

    def look(self) -> None:
        self.call_later(1, self.look)
        self.used = sum(slot is not None for slot in self.table)


if __name__ == "__main__":
    main(Mutant)
