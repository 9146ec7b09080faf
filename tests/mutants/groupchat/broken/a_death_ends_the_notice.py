#!/usr/bin/env python3
"""When a write to a member fails, those after it in the list miss the notice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Reply, Said

CAUGHT_BY = "GC-ROOM-4"


class Mutant(Server):
    def broadcast_now(self, reply: Reply, exclude: Client | None) -> None:
        data = self.encode_frame(reply)
        for client in tuple(self.recipients(reply)):
            if client is exclude:
                continue
            (self.enqueue if isinstance(reply, Said) else self.enqueue_reliably)(client, data)
            self.flush(client)
            if not self.is_connected(client):
                break


if __name__ == "__main__":
    main(Mutant)
