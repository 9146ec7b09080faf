#!/usr/bin/env python3
"""A length byte over 127 that arrives alone is lost."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        if client.inbox or len(data) > 1 or data[0] < 128:
            super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
