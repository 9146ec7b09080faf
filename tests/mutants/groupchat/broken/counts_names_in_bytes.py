#!/usr/bin/env python3
"""The limit of 32 for a name is applied to its bytes instead of its characters."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        if len(name.encode()) > 32:
            self.refuse(client, "a name has at most 32 bytes")
        else:
            super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
