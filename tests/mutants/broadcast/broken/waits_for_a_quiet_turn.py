#!/usr/bin/env python3
"""A signal ends the loop at its next quiet turn, which does not come under load."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-END-1"


class Mutant(Server):
    ending = busy = False

    def end(self, *_: object) -> None:
        self.ending = True

    def select_timeout(self) -> float | None:
        return min(0.5, super().select_timeout() or 0.5)

    def read(self, client: Client) -> None:
        self.busy = True
        super().read(client)

    def turn(self) -> None:
        self.busy = False
        super().turn()
        if self.ending and not self.busy:
            os._exit(0)


if __name__ == "__main__":
    main(Mutant)
