#!/usr/bin/env python3
"""A second Join changes the name of its client."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Welcome

CAUGHT_BY = "GC-JOIN-6"


class Mutant(Server):
    def on_join(self, client: Client, name: str) -> None:
        if client in self.names and not self.is_taken(name):
            self.names[client] = name
            self.answer(client, Welcome(self.member_names()))
        else:
            super().on_join(client, name)


if __name__ == "__main__":
    main(Mutant)
