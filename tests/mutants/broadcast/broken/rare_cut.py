#!/usr/bin/env python3
"""One message in a thousand lacks its last byte for one client, whose framing is lost from then on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-7"


class Mutant(Server):
    one_by_one = True
    count = 0

    def fan_out(self, sender: Client, message: bytes) -> None:
        self.count += 1
        last = list(self.clients.values())[-1]
        for client in self.receivers(sender):
            cut = client is last and self.count % 1000 == 0 and message[0]
            self.enqueue(client, message[:-1] if cut else message)


if __name__ == "__main__":
    main(Mutant)
