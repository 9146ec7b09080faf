#!/usr/bin/env python3
"""Welcome contains the joining client's own name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Joined, Welcome

CAUGHT_BY = "GC-JOIN-2"


class Mutant(Server):
    def admit(self, client: Client, name: str) -> None:
        self.names[client] = name
        self.answer(client, Welcome(self.member_names()))
        self.broadcast(Joined(name), exclude=client)


if __name__ == "__main__":
    main(Mutant)
