#!/usr/bin/env python3
"""The length byte is taken for signed; messages with negative lengths (over 127) are skipped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-1"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        if int.from_bytes(message[:1], signed=True) >= 0:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
