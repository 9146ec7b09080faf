#!/usr/bin/env python3
"""A client that has sent nothing for 30 s is disconnected, although it receives all the time."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"


class Mutant(Server):
    idle_s = 30

    def start(self) -> None:
        super().start()
        self.latest_input: dict[int, float] = {}
        self.look()

    def look(self) -> None:
        self.call_later(1, self.look)
        now = time.monotonic()
        for client in list(self.clients.values()):
            if now - self.latest_input.get(client.number, client.connected_at) > self.idle_s:
                self.disconnect(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.latest_input[client.number] = time.monotonic()
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
