#!/usr/bin/env python3
"""A name is checked when the request is read, but entered 2 ms later."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-JOIN-4"


class Mutant(Server):
    def admit(self, client: Client, name: str) -> None:
        self.call_later(0.002, lambda: self.admit_now(client, name))

    def admit_now(self, client: Client, name: str) -> None:
        if self.is_connected(client):
            super().admit(client, name)


if __name__ == "__main__":
    main(Mutant)
