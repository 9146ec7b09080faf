#!/usr/bin/env python3
"""After a pause for unread replies, the lines it has read already wait until more bytes arrive."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-7"


class Mutant(Server):
    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        while self.is_connected(client) and client.backlog_bytes <= 1 << 20 and (end := client.inbox.find(b"\n") + 1):
            line = bytes(client.inbox[:end])
            del client.inbox[:end]
            self.on_line(client, line)


if __name__ == "__main__":
    main(Mutant)
