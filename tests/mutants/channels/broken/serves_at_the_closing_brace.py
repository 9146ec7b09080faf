#!/usr/bin/env python3
"""A request is served as soon as its JSON is complete, before its LF."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-10"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        super().on_bytes(client, data)
        rest = bytes(client.inbox)
        if rest.endswith(b"}") and rest.count(b"{") == rest.count(b"}"):
            client.inbox.clear()
            self.on_line(client, rest)


if __name__ == "__main__":
    main(Mutant)
