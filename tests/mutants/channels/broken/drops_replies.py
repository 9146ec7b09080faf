#!/usr/bin/env python3
"""Replies are dropped when a backlog is large, as messages are."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-7"


class Mutant(Server):
    def reply(self, client: Client, value: Any) -> None:
        if client.backlog_bytes < 16_384:
            super().reply(client, value)


if __name__ == "__main__":
    main(Mutant)
