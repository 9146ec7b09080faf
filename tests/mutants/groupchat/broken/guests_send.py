#!/usr/bin/env python3
"""Texts from clients that have not joined are forwarded, with an empty name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-GUEST-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        self.broadcast(Said(self.names.get(client, ""), text))


if __name__ == "__main__":
    main(Mutant)
