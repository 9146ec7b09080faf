#!/usr/bin/env python3
"""One message in a thousand has its last byte altered."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-3"


class Mutant(Server):
    one_by_one = True
    count = 0

    def on_message(self, client: Client, message: bytes) -> None:
        self.count += 1
        if self.count % 1000 == 0 and message[0]:
            message = message[:-1] + bytes([message[-1] ^ 0x80])
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
