#!/usr/bin/env python3
"""The first message after two seconds of silence is forwarded with the next one."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    one_by_one = True
    latest = 0.0
    kept: tuple[Client, bytes] | None = None

    def on_message(self, client: Client, message: bytes) -> None:
        now = time.monotonic()
        was_silent, self.latest = now - self.latest > 2, now
        if kept := self.kept:
            self.kept = None
            super().on_message(*kept)
        if was_silent:
            self.kept = client, message
        else:
            super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
