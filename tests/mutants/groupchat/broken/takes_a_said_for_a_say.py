#!/usr/bin/env python3
"""Requests and replies are one type: a Said from a member is forwarded as it is, under any name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said
from spec.groupchat.serdy import DecodeError, loads

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        try:
            reply: Reply | None = loads(message, Reply) if message[:1] == b"\x04" and client in self.names else None
        except DecodeError:
            reply = None
        if isinstance(reply, Said):
            self.broadcast(reply)
        else:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
