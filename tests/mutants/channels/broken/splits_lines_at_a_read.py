#!/usr/bin/env python3
"""The end of a read is taken for the end of a line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-2"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        for line in data.splitlines(keepends=True):
            self.on_line(client, line)


if __name__ == "__main__":
    main(Mutant)
