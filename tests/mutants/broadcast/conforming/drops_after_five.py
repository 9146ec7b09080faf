#!/usr/bin/env python3
"""A client loses all further messages while five are queued for it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    one_by_one = True

    def is_full(self, client: Client, message: bytes) -> bool:
        return len(client.backlog) >= 5


if __name__ == "__main__":
    main(Variant)
