#!/usr/bin/env python3
"""The backlog of a stalled client is kept when it leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-COME-6"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.kept: list[bytes] = []

    def close(self, client: Client) -> None:
        super().close(client)
        if client.events & EVENT_WRITE:
            self.kept.append(b"".join(client.backlog))


if __name__ == "__main__":
    main(Mutant)
