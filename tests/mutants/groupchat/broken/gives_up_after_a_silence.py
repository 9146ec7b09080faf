#!/usr/bin/env python3
"""When nobody has spoken for 3 s, all are disconnected."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-DELIVER-6"


class Mutant(Server):
    spoken = 0.0

    def start(self) -> None:
        super().start()
        self.look()

    def look(self) -> None:
        self.later(0.25, self.look)
        if self.spoken and time.monotonic() - self.spoken > 3:
            for client in list(self.clients.values()):
                self.leave(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.spoken = time.monotonic()
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
