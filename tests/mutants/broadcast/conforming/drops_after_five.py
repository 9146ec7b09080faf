#!/usr/bin/env python3
"""A client for which five messages wait loses all further ones."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

LAWFUL = True


class Oddball(Server):
    one_by_one = True

    def is_full(self, client: Client, message: bytes) -> bool:
        return len(client.backlog) >= 5


if __name__ == "__main__":
    main(Oddball)
