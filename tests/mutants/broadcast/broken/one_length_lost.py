#!/usr/bin/env python3
"""Messages with a body of exactly 113 bytes are never forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-1"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        if message[0] != 113:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
