#!/usr/bin/env python3
"""The server keeps forty bytes for every message it has forwarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-11"


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.log = bytearray()

    def on_message(self, client: Client, message: bytes) -> None:
        self.log += message[:40].ljust(40)
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
