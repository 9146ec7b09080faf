#!/usr/bin/env python3
"""The newcomer is in its own list."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Joined, Welcome

CAUGHT_BY = "GC-JOIN-2"


class Mutant(Server):
    def admit(self, client: Client, name: str) -> None:
        self.names[client] = name
        self.answer(client, Welcome(self.present()))
        self.tell(Joined(name), but=client)


if __name__ == "__main__":
    main(Mutant)
