#!/usr/bin/env python3
"""When a connection is reset, Left is sent twice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def on_error(self, client: Client, error: OSError) -> None:
        name = self.names.get(client)
        super().on_error(client, error)
        if name is not None:
            self.broadcast(Left(name))


if __name__ == "__main__":
    main(Mutant)
