#!/usr/bin/env python3
"""A client with a backlog over 64 KiB does not receive Left and Joined."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ROOM-1"


class Mutant(Server):
    def broadcast_now(self, reply: Reply, exclude: Client | None) -> None:
        data = self.encode_frame(reply)
        for client in tuple(self.names):
            if isinstance(reply, Said):
                self.enqueue(client, data)
            elif client is not exclude and client.backlog_bytes < 65536:
                self.enqueue_reliably(client, data)


if __name__ == "__main__":
    main(Mutant)
