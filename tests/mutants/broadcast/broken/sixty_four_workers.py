#!/usr/bin/env python3
"""Each unfinished message occupies one of 64 workers; when all are occupied, no other client is read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-LOAD-6"


class Mutant(Server):
    workers = 64

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.at_work: set[int] = set()
        self.waiting: list[Client] = []

    def read(self, client: Client) -> None:
        if len(self.at_work) < self.workers or client.number in self.at_work:
            super().read(client)
            self.set_to_work(client, self.is_connected(client) and bool(client.inbox))
        else:
            self.waiting.append(client)
            client.reading = False
            self.watch(client)

    def set_to_work(self, client: Client, busy: bool) -> None:
        if busy:
            self.at_work.add(client.number)
        elif client.number in self.at_work:
            self.at_work.discard(client.number)
            waiting, self.waiting = self.waiting, []
            for other in filter(self.is_connected, waiting):
                other.reading = True
                self.watch(other)


if __name__ == "__main__":
    main(Mutant)
