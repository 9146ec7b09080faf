#!/usr/bin/env python3
"""A client whose backlog has no room for a text is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    def on_full(self, client: Client, message: bytes) -> None:
        self.disconnect(client)


if __name__ == "__main__":
    main(Variant)
