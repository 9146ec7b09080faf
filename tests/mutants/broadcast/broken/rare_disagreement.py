#!/usr/bin/env python3
"""One message in a thousand reaches the latest client after the next message of another sender."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Server):
    one_by_one = True
    count = 0
    held: tuple[Client, Client, bytes] | None = None  # sender, receiver, message

    def fan_out(self, sender: Client, message: bytes) -> None:
        if self.held and self.held[0] is sender:
            self.release()
        self.count += 1
        last = list(self.clients.values())[-1]
        for client in self.receivers(sender):
            if self.count % 1000 or client is not last:
                self.enqueue(client, message)
        self.release()
        if self.count % 1000 == 0:
            self.held = sender, last, message
            self.call_later(0.05, self.release)

    def release(self) -> None:
        held, self.held = self.held, None
        if held and self.is_connected(held[1]):
            self.enqueue(*held[1:])


if __name__ == "__main__":
    main(Mutant)
