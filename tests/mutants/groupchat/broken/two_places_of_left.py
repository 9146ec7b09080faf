#!/usr/bin/env python3
"""Left of a client for which a text has no room is sent before that text to those who joined after it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply

CAUGHT_BY = "GC-ROOM-3"


class Mutant(Server):
    def broadcast(self, reply: Reply, exclude: Client | None = None) -> None:
        self.broadcast_now(reply, exclude)

    def on_full(self, client: Client, message: bytes) -> None:
        self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
