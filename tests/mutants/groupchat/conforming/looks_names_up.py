#!/usr/bin/env python3
"""Each Join takes half a second, as if the name were looked up; the client's further requests wait for that."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LOOKING_UP_S = 0.5
JOIN = b"\x00"


class Variant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.waiting: dict[Client, list[bytes]] = {}  # requests behind a Join, of one read at most

    def on_message(self, client: Client, message: bytes) -> None:
        if client in self.waiting:
            self.waiting[client].append(message)
        elif message.startswith(JOIN) and self.is_connected(client):
            self.waiting[client] = []
            client.reading = False
            self.watch(client)
            self.call_later(LOOKING_UP_S, lambda: self.go_on(client, message))
        else:
            super().on_message(client, message)

    def go_on(self, client: Client, join: bytes) -> None:
        behind_it = self.waiting.pop(client)
        super().on_message(client, join)
        for message in behind_it:
            self.on_message(client, message)
        if client not in self.waiting and self.is_connected(client):
            client.reading = True
            self.watch(client)


if __name__ == "__main__":
    main(Variant)
