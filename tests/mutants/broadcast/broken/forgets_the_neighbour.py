#!/usr/bin/env python3
"""When a client leaves, the client that joined next after it receives nothing more."""

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.forgotten: set[int] = set()

    def receivers(self, sender: Client) -> Iterable[Client]:
        return [client for client in super().receivers(sender) if client.number not in self.forgotten]

    def close(self, client: Client) -> None:
        super().close(client)
        self.forgotten.discard(client.number)
        self.forgotten.update([number for number in self.clients if number > client.number][:1])


if __name__ == "__main__":
    main(Mutant)
