#!/usr/bin/env python3
"""Replies to the requests of one read are written after the messages of that read."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-1"


class Mutant(Server):
    collected: list[tuple[Client, Any]] | None = None

    def on_bytes(self, client: Client, data: bytes) -> None:
        self.collected = []
        super().on_bytes(client, data)
        replies, self.collected = self.collected, None
        for each in replies:
            super().reply(*each)

    def reply(self, client: Client, value: Any) -> None:
        if self.collected is None:
            super().reply(client, value)
        else:
            self.collected.append((client, value))


if __name__ == "__main__":
    main(Mutant)
