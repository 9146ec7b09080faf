#!/usr/bin/env python3
"""The ready line stays in the output buffer until the server ends."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Server, main

CAUGHT_BY = "BC-START-3"


class Mutant(Server):
    def announce(self) -> None:
        self.output = os.fdopen(1, "w", closefd=False)
        print(self.ready_line(), file=self.output)

    def end(self, *_: object) -> None:
        self.output.flush()
        super().end()


if __name__ == "__main__":
    main(Mutant)
