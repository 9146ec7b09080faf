#!/usr/bin/env python3
"""One message in five hundred is delivered again four seconds later."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-11"


class Mutant(Server):
    one_by_one = True
    count = 0

    def fan_out(self, sender: Client, message: bytes) -> None:
        super().fan_out(sender, message)
        self.count += 1
        if self.count % 500 == 0:
            receivers = tuple(self.receivers(sender))
            self.call_later(4, lambda: self.repeat(receivers, message))

    def repeat(self, receivers: tuple[Client, ...], message: bytes) -> None:
        for client in filter(self.is_connected, receivers):
            self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
