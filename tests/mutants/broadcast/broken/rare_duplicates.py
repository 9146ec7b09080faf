#!/usr/bin/env python3
"""One message in a thousand is delivered twice to one of the clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-2"


class Mutant(Server):
    one_by_one = True
    count = 0

    def fan_out(self, sender: Client, message: bytes) -> None:
        super().fan_out(sender, message)
        self.count += 1
        if self.count % 1000 == 0:
            self.enqueue(list(self.clients.values())[-1], message)


if __name__ == "__main__":
    main(Mutant)
