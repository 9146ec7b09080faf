#!/usr/bin/env python3
"""A client with a large backlog is not read; the frames that had been read by then wait until it sends more."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import HEADER, Client, Server, main

CAUGHT_BY = "GC-ROOM-4"
LARGE = 512 * 1024  # more than texts may take


class Mutant(Server):
    def watch(self, client: Client) -> None:
        client.reading = client.backlog_bytes <= LARGE
        super().watch(client)

    def on_bytes(self, client: Client, data: bytes) -> None:
        client.inbox += data
        while client.backlog_bytes <= LARGE and len(client.inbox) >= HEADER:
            end = HEADER + self.length(client.inbox, 0)
            if len(client.inbox) < end:
                break
            payload = bytes(client.inbox[HEADER:end])
            del client.inbox[:end]
            self.on_message(client, payload)


if __name__ == "__main__":
    main(Mutant)
