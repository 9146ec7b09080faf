#!/usr/bin/env python3
"""A length byte of 255 is taken for a marker, and the message is skipped."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-1"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        if message[0] != 255:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
