#!/usr/bin/env python3
"""A reset while somebody else is slow to read makes the server deaf for ever."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-END-5"


class Mutant(Server):
    deaf = False

    def on_error(self, client: Client, error: OSError) -> None:
        self.leave(client)
        self.deaf |= any(other.backlog for other in self.clients.values())

    def on_message(self, client: Client, message: bytes) -> None:
        if not self.deaf:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
