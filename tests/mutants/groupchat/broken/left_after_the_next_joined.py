#!/usr/bin/env python3
"""A name is free at once, but Left follows the Joined of who has taken it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Left

CAUGHT_BY = "GC-ROOM-1"


class Mutant(Server):
    def forget(self, client: Client) -> None:
        if (name := self.names.pop(client, None)) is not None:
            self.call_later(0, lambda: self.broadcast(Left(name)))


if __name__ == "__main__":
    main(Mutant)
