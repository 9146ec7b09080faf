#!/usr/bin/env python3
"""Once it has run out of descriptors, the loop never waits again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-LOAD-10"


class Mutant(Server):
    was_full = False

    def out_of_descriptors(self) -> None:
        self.was_full = True
        super().out_of_descriptors()

    def select_timeout(self) -> float | None:
        accepts = self.listener in self.selector.get_map()
        return 0 if self.was_full and accepts else super().select_timeout()


if __name__ == "__main__":
    main(Mutant)
