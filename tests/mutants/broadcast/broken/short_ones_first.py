#!/usr/bin/env python3
"""While over 64 KiB wait for a client, short messages are put in front of the others."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-LOAD-3"


class Mutant(Server):
    one_by_one = True

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        if client.events & EVENT_WRITE and client.size > 65536 and len(message) < 20:
            client.backlog.insert(1, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
