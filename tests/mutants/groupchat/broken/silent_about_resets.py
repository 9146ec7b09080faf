#!/usr/bin/env python3
"""When a client leaves by RST, no Left is sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def on_error(self, client: Client, error: OSError) -> None:
        self.names.pop(client, None)
        super().on_error(client, error)


if __name__ == "__main__":
    main(Mutant)
