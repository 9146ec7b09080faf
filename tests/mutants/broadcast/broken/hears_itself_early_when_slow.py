#!/usr/bin/env python3
"""A client for which something waits hears its own messages first."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import EVENT_WRITE, Client, Server, main

CAUGHT_BY = "BC-ORDER-2"


class Said(bytes):
    """A message that knows who said it."""

    sender: Client


class Mutant(Server):
    one_by_one = True

    def fan_out(self, sender: Client, message: bytes) -> None:
        said = Said(message)
        said.sender = sender
        super().fan_out(sender, said)

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, message)
        if client.events & EVENT_WRITE and len(client.backlog) > 2 and message.sender is client:
            place = 1  # behind what may have begun, and behind its own
            while getattr(client.backlog[place], "sender", None) is client and message is not client.backlog[place]:
                place += 1
            client.backlog.insert(place, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
