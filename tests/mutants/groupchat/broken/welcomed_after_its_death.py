#!/usr/bin/env python3
"""Welcome is written before its client is in the list, where it stays if that fails."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Joined, Welcome

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def admit(self, client: Client, name: str) -> None:
        self.answer(client, Welcome(self.member_names()))
        self.flush(client)
        self.names[client] = name
        self.broadcast(Joined(name), exclude=client)


if __name__ == "__main__":
    main(Mutant)
