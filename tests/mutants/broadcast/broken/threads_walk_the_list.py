#!/usr/bin/env python3
"""Each sender's thread iterates over the clients on its own; there is no lock for the common order."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, main
from threads import Threaded

CAUGHT_BY = "BC-ORDER-2"


class Mutant(Threaded):
    one_by_one = True

    def fan_out(self, sender: Client, message: bytes) -> None:
        for client in self.receivers(sender):
            self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
