#!/usr/bin/env python3
"""A line of the greatest length is refused when its LF arrives alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-7"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        if len(client.inbox) == self.max_line - 1:
            self.on_line_overflow(client)


if __name__ == "__main__":
    main(Mutant)
