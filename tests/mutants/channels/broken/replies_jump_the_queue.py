#!/usr/bin/env python3
"""A reply is written before the messages that wait, in the middle of one that is partly sent."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-LINE-12"


class Reply(bytes):
    pass


class Mutant(Server):
    def watch(self, client: Client) -> None:
        super(Server, self).watch(client)  # it reads, however much waits for the client

    def reply(self, client: Client, value: Any) -> None:
        if self.is_connected(client):
            line = Reply(self.encode_line(value))
            places = (at for at, each in enumerate(client.backlog) if not isinstance(each, Reply))
            client.backlog.insert(next(places, len(client.backlog)), line)
            client.backlog_bytes += len(line)
            self.dirty.add(client)


if __name__ == "__main__":
    main(Mutant)
