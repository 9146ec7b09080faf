#!/usr/bin/env python3
"""Whoever speaks must have read what it said before anything else is done."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LOAD-4"


class Liar(Server):
    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, text)
        while client.backlog and self.is_here(client):
            client.sock.setblocking(True)
            self.flush(client)
        if self.is_here(client):
            client.sock.setblocking(False)


if __name__ == "__main__":
    main(Liar)
