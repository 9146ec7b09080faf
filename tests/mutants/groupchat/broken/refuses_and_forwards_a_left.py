#!/usr/bin/env python3
"""A Left from a member is refused, and sent to the others nevertheless."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left, Reply
from spec.groupchat.serdy import DecodeError, loads

CAUGHT_BY = "GC-ASK-3"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        super().on_message(client, message)
        try:
            reply: Reply | None = loads(message, Reply) if client in self.names else None
        except DecodeError:
            reply = None
        if isinstance(reply, Left):
            self.broadcast(reply, exclude=client)


if __name__ == "__main__":
    main(Mutant)
