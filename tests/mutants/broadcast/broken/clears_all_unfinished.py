#!/usr/bin/env python3
"""When a client leaves in the middle of a message, the unfinished messages of all clients are discarded."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-2"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        if client.inbox:
            for other in self.clients.values():
                other.inbox.clear()


if __name__ == "__main__":
    main(Mutant)
