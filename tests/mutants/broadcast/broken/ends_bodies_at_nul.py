#!/usr/bin/env python3
"""A body is cut at its first NUL, as strings are in C."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-4"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        body = message[1:].split(b"\0")[0]
        super().on_message(client, bytes([len(body)]) + body)


if __name__ == "__main__":
    main(Mutant)
