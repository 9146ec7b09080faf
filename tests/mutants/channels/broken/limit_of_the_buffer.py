#!/usr/bin/env python3
"""The limit is that of the unfinished input and a read together, not that of a line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-3"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        if client not in self.skipping and len(client.inbox) + len(data) > self.max_line:
            self.on_line_overflow(client)
        super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
