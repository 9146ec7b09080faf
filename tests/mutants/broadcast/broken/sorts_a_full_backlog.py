#!/usr/bin/env python3
"""A full backlog is sorted by sender."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-5"


class SentMessage(bytes):
    """A message with its sender."""

    sender: Client


class Mutant(Server):
    one_by_one = True

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.sorted: set[Client] = set()

    def fan_out(self, sender: Client, message: bytes) -> None:
        sent = SentMessage(message)
        sent.sender = sender
        super().fan_out(sender, sent)

    def on_full(self, client: Client, message: bytes) -> None:
        if client not in self.sorted:
            self.sorted.add(client)
            head, *rest = client.backlog
            client.backlog = deque([head, *sorted(rest, key=lambda message: message.sender.number)])

    def flush(self, client: Client) -> None:
        super().flush(client)
        if not client.backlog:
            self.sorted.discard(client)

    def close(self, client: Client) -> None:
        self.sorted.discard(client)
        super().close(client)


if __name__ == "__main__":
    main(Mutant)
