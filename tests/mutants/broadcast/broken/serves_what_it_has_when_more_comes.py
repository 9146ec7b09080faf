#!/usr/bin/env python3
"""A client with a large backlog is not read; what had been read of its messages by then waits until it sends more."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"
LARGE = 192 * 1024


class Mutant(Server):
    def watch(self, client: Client) -> None:
        client.reading = client.backlog_bytes <= LARGE
        super().watch(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        while client.backlog_bytes <= LARGE and client.inbox and len(client.inbox) > client.inbox[0]:
            end = 1 + client.inbox[0]
            message = bytes(client.inbox[:end])
            del client.inbox[:end]
            self.on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
