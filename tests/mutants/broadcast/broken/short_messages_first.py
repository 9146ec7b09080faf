#!/usr/bin/env python3
"""When a backlog is larger than 64 KiB, short messages are put in front of the others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-LOAD-3"


class Mutant(Server):
    one_by_one = True

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        if client.events & EVENT_WRITE and client.backlog_bytes > 65536 and len(message) < 20:
            client.backlog.insert(1, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
