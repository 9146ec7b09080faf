#!/usr/bin/env python3
"""A text is forwarded to all members except its sender."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-DELIVER-1"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        if client in self.names:
            self.broadcast(Said(self.names[client], text), exclude=client)
        else:
            super().on_say(client, text)


if __name__ == "__main__":
    main(Mutant)
