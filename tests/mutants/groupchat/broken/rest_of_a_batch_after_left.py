#!/usr/bin/env python3
"""A client that is disconnected because it does not read is heard until the end of what was read from it at once."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said
from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-ROOM-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.known: dict[Client, str] = {}

    def admit(self, client: Client, name: str) -> None:
        self.known[client] = name
        super().admit(client, name)

    def on_message(self, client: Client, message: bytes) -> None:
        try:
            request = self.parse_request(message)
        except DecodeError as error:
            self.refuse(client, error.reason)
        else:
            self.serve(client, request)

    def on_say(self, client: Client, text: str) -> None:
        if client in self.known:
            self.broadcast(Said(self.known[client], text))
        else:
            super().on_say(client, text)

    def on_full(self, client: Client, message: bytes) -> None:
        self.disconnect(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if not self.is_connected(client):
            self.known.pop(client, None)


if __name__ == "__main__":
    main(Mutant)
