#!/usr/bin/env python3
"""A member that is disconnected because it reads no replies leaves without Left."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-LEAVE-1"


class Mutant(Server):
    def enqueue_reliably(self, client: Client, data: bytes) -> None:
        if client.backlog_bytes + len(data) > 1024 * 1024:
            self.flush(client)
        if client.backlog_bytes + len(data) > 1024 * 1024:
            self.names.pop(client, None)
            self.disconnect(client)
        else:
            self.append(client, data)


if __name__ == "__main__":
    main(Mutant)
