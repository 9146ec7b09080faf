#!/usr/bin/env python3
"""Nobody is accepted within 50 ms of any input."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-5"


class Mutant(Server):
    heard_at = 0.0

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.heard_at = time.monotonic()
        super().on_bytes(client, data)

    def accept(self) -> None:
        if time.monotonic() - self.heard_at < 0.05:
            self.pause_accepting(0.05)
        else:
            super().accept()


if __name__ == "__main__":
    main(Mutant)
