#!/usr/bin/env python3
"""The server ends when its last client has left."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-7"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        if not self.clients:
            sys.exit(0)


if __name__ == "__main__":
    main(Mutant)
