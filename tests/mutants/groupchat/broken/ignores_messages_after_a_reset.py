#!/usr/bin/env python3
"""After a reset while another client has a backlog, the server ignores all messages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-END-5"


class Mutant(Server):
    ignoring = False

    def on_error(self, client: Client, error: OSError) -> None:
        self.disconnect(client)
        self.ignoring |= any(other.backlog for other in self.clients.values())

    def on_message(self, client: Client, message: bytes) -> None:
        if not self.ignoring:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
