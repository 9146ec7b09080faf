#!/usr/bin/env python3
"""Refused is sent to the whole room instead of only to the client it answers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Refused

CAUGHT_BY = "GC-ASK-3"


class Mutant(Server):
    def refuse(self, client: Client, reason: str) -> None:
        if client in self.names:
            self.broadcast(Refused(reason))
        else:
            super().refuse(client, reason)


if __name__ == "__main__":
    main(Mutant)
