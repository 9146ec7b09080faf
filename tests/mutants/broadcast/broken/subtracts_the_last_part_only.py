#!/usr/bin/env python3
"""Of a message that was sent in parts, only the last part is subtracted from the count of bytes that wait."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-8"
BACKLOG_BYTES = 16 * 1024


class Mutant(Server):
    one_by_one = True

    def is_full(self, client: Client, message: bytes) -> bool:
        return client.backlog_bytes + len(message) > BACKLOG_BYTES

    def send(self, client: Client, chunks: list[bytes]) -> int:
        sent = part = super().send(client, chunks)
        for chunk in chunks:
            if part < len(chunk):
                break
            part -= len(chunk)
        client.backlog_bytes += part
        return sent


if __name__ == "__main__":
    main(Mutant)
