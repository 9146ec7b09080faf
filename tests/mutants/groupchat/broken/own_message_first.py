#!/usr/bin/env python3
"""A sender receives its own message immediately, ahead of the queue for all other clients."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Batching, Client, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-ORDER-4"


class Mutant(Batching):
    batch_s = 0.005

    def on_say(self, client: Client, text: str) -> None:
        if client not in self.names:
            super().on_say(client, text)
            return
        reply = Said(self.names[client], text)
        self.enqueue(client, self.encode_frame(reply))
        self.broadcast(reply, exclude=client)


if __name__ == "__main__":
    main(Mutant)
