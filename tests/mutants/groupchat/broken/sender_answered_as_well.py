#!/usr/bin/env python3
"""A sender receives its own texts twice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-DELIVER-2"


class Mutant(Server):
    def on_say(self, client: Client, text: str) -> None:
        super().on_say(client, text)
        if client in self.names:
            self.enqueue(client, self.encode_frame(Said(self.names[client], text)))


if __name__ == "__main__":
    main(Mutant)
