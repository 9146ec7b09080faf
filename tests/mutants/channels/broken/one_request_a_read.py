#!/usr/bin/env python3
"""Only the first of the requests that arrive in one read is served."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-3"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        first, lf, _ = data.partition(b"\n")
        super().on_bytes(client, first + lf)


if __name__ == "__main__":
    main(Mutant)
