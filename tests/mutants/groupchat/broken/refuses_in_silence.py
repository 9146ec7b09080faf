#!/usr/bin/env python3
"""The second of two refusals in a row is not sent."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.messages import Request

CAUGHT_BY = "GC-ASK-3"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.refused: set[Client] = set()

    def refuse(self, client: Client, reason: str) -> None:
        if client not in self.refused:
            super().refuse(client, reason)
            self.refused.add(client)

    def serve(self, client: Client, request: Request) -> None:
        self.refused.discard(client)
        super().serve(client, request)

    def close(self, client: Client) -> None:
        self.refused.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
