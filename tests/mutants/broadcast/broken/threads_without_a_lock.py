#!/usr/bin/env python3
"""Each sender's thread writes length and body separately, without a lock around both."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, main
from threads import Threaded

CAUGHT_BY = "BC-FRAME-5"


class Mutant(Threaded):
    one_by_one = True

    def fan_out(self, sender: Client, message: bytes) -> None:
        for client in self.receivers(sender):
            if not self.remainders.get(client):
                self.enqueue(client, message[:1])
                self.enqueue(client, message[1:])
            else:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
