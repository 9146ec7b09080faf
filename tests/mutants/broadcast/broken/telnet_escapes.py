#!/usr/bin/env python3
"""Two consecutive bytes of value 255 are taken for one, as in telnet."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-4"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        body = message[1:].replace(b"\xff\xff", b"\xff")
        super().on_message(client, bytes([len(body)]) + body)


if __name__ == "__main__":
    main(Mutant)
