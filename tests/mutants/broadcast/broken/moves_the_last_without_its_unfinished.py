#!/usr/bin/env python3
"""When a client leaves, the last one takes its place in the table, without its unfinished message."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        last = max(self.clients.values(), key=lambda each: each.number, default=client)
        if last.number > client.number:
            last.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
