#!/usr/bin/env python3
"""All that waits for a client goes into one write; of more than 1024 pieces the kernel takes none (IOV_MAX)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-FRAME-3"


class Mutant(Server):
    read_bytes = 4096
    one_by_one = True

    def read(self, client: Client) -> None:
        super().read(client)
        while self.dirty:
            self.flush(self.dirty.pop())

    def send(self, client: Client, chunks: list[bytes]) -> int:
        return super().send(client, list(client.backlog))


if __name__ == "__main__":
    main(Mutant)
