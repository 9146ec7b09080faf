#!/usr/bin/env python3
"""The rest of a partial write is taken for sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    def send(self, client: Client, chunks: list[bytes]) -> int:
        super().send(client, chunks)
        return sum(map(len, chunks))


if __name__ == "__main__":
    main(Mutant)
