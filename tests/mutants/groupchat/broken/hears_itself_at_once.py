#!/usr/bin/env python3
"""The sender is answered at once, ahead of the queue."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Ticking, main

from spec.groupchat.messages import Said

CAUGHT_BY = "GC-ORDER-4"


class Mutant(Ticking):
    tick_s = 0.005

    def on_say(self, client: Client, text: str) -> None:
        if client not in self.names:
            super().on_say(client, text)
            return
        said = Said(self.names[client], text)
        self.enqueue(client, self.frame(said))
        self.tell(said, but=client)


if __name__ == "__main__":
    main(Mutant)
