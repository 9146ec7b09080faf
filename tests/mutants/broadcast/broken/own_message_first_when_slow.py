#!/usr/bin/env python3
"""A client with a backlog receives its own messages first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-ORDER-2"


class SentMessage(bytes):
    """A message with its sender."""

    sender: Client


class Mutant(Server):
    one_by_one = True

    def fan_out(self, sender: Client, message: bytes) -> None:
        sent = SentMessage(message)
        sent.sender = sender
        super().fan_out(sender, sent)

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        if client.events & EVENT_WRITE and len(client.backlog) > 2 and message.sender is client:
            place = 1  # after a message that may be partly sent, and after its own
            while getattr(client.backlog[place], "sender", None) is client and message is not client.backlog[place]:
                place += 1
            client.backlog.insert(place, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
