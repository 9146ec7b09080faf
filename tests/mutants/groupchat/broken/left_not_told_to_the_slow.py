#!/usr/bin/env python3
"""Who has much to read is not told that somebody left."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ROOM-1"


class Mutant(Server):
    def tell_now(self, reply: Reply, but: Client | None) -> None:
        data = self.frame(reply)
        for client in tuple(self.names):
            if isinstance(reply, Said):
                self.enqueue(client, data)
            elif client is not but and client.size < 65536:
                self.enqueue_surely(client, data)


if __name__ == "__main__":
    main(Mutant)
