#!/usr/bin/env python3
"""A request that is wrong in two ways is refused twice: a Join of a member for a taken name, a long text of a guest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import MAX_TEXT

CAUGHT_BY = "GC-ASK-3"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        if client in self.names and self.is_taken(name):
            self.refuse(client, f"the name {name} is taken")
        super().on_join(client, name)

    def on_message(self, client: Client, message: bytes) -> None:
        if client not in self.names and message[:1] == b"\x01" and len(message) > MAX_TEXT + 4:
            self.refuse(client, "first join the room")
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
