#!/usr/bin/env python3
"""Texts and notices are sent to all connections, even to clients that have not joined."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply

CAUGHT_BY = "GC-GUEST-1"


class Mutant(Server):
    def recipients(self, reply: Reply) -> Iterable[Client]:
        return self.clients.values()


if __name__ == "__main__":
    main(Mutant)
