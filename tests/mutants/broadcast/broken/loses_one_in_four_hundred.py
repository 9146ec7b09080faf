#!/usr/bin/env python3
"""One delivery in four hundred is lost, even for clients that keep up."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-9"


class Mutant(Server):
    one_by_one = True
    count = 0

    def append(self, client: Client, message: bytes) -> None:
        self.count += 1
        if self.count % 400:
            super().append(client, message)


if __name__ == "__main__":
    main(Mutant)
