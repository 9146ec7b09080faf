#!/usr/bin/env python3
"""Replies are dropped while 256 KiB are queued, as messages are."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-7"


class Mutant(Server):
    def reply(self, client: Client, value: Any) -> None:
        if client.backlog_bytes < 262_144:
            super().reply(client, value)


if __name__ == "__main__":
    main(Mutant)
