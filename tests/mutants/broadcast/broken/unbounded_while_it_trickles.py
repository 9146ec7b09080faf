#!/usr/bin/env python3
"""A backlog has no bound while its client takes something twice a second."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-2"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.wrote_at: dict[int, float] = {}

    def send(self, client: Client, chunks: list[bytes]) -> int:
        sent = super().send(client, chunks)
        self.wrote_at[client.number] = time.monotonic()
        return sent

    def is_full(self, client: Client, message: bytes) -> bool:
        is_stuck = time.monotonic() - self.wrote_at.get(client.number, 0.0) > 0.5
        return is_stuck and super().is_full(client, message)

    def close(self, client: Client) -> None:
        self.wrote_at.pop(client.number, None)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
