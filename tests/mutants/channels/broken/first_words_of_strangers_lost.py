#!/usr/bin/env python3
"""A first request that is a Send is taken for a greeting."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-7"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.greeted: set[int] = set()

    def serve(self, client: Client, request: tuple[str, str, str]) -> None:
        is_first = client.number not in self.greeted
        self.greeted.add(client.number)
        if not is_first or request[0] == "Subscribe":
            super().serve(client, request)

    def close(self, client: Client) -> None:
        self.greeted.discard(client.number)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
