#!/usr/bin/env python3
"""A client's own messages are never dropped for it, however large its backlog is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    def fan_out(self, sender: Client, message: bytes) -> None:
        for client in self.receivers(sender):
            if client is sender:
                self.append(client, message)
            else:
                self.enqueue(client, message)


if __name__ == "__main__":
    main(Mutant)
