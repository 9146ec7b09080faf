#!/usr/bin/env python3
"""All clients are disconnected when none of them has sent anything for 90 s."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-6"


class Mutant(Server):
    latest_input = 0.0

    def start(self) -> None:
        super().start()
        self.check_silence()

    def check_silence(self) -> None:
        self.call_later(1, self.check_silence)
        if self.latest_input and time.monotonic() - self.latest_input > 90:
            for client in list(self.clients.values()):
                self.disconnect(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.latest_input = time.monotonic()
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
