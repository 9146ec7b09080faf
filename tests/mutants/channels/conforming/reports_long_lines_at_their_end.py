#!/usr/bin/env python3
"""A line that is too long is reported only when it ends."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_line_overflow(self, client: Client) -> None:
        client.inbox.clear()
        self.skipping.add(client)

    def on_line(self, client: Client, line: bytes) -> None:
        if client in self.skipping:
            self.on_too_long(client)
        super().on_line(client, line)


if __name__ == "__main__":
    main(Variant)
