#!/usr/bin/env python3
"""When the two bytes of a length arrive one by one, the first of them is lost."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-FRAME-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        if len(client.inbox) == 1:
            client.inbox[0] = 0
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
