#!/usr/bin/env python3
"""White space at both ends of a name is removed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-NAME-1"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        super().on_join(client, name.strip() or name)


if __name__ == "__main__":
    main(Mutant)
