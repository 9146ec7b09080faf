#!/usr/bin/env python3
"""A full backlog loses its oldest messages, except the one that is partly written."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main


class Variant(Server):
    one_by_one = True

    def on_full(self, client: Client, message: bytes) -> None:
        while len(client.backlog) > 1 and self.is_full(client, message):
            client.backlog_bytes -= len(client.backlog[1])
            del client.backlog[1]
        self.append(client, message)


if __name__ == "__main__":
    main(Variant)
