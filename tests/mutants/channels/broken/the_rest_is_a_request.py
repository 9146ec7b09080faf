#!/usr/bin/env python3
"""The bytes after the length limit are taken for a new line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-8"


class Mutant(Server):
    def on_line_overflow(self, client: Client) -> None:
        client.inbox.clear()
        self.on_too_long(client)


if __name__ == "__main__":
    main(Mutant)
