#!/usr/bin/env python3
"""Each channel of a client has a backlog of its own; when much waits, they are written one after the other."""

import sys
from collections import deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Line, Server, main

CAUGHT_BY = "CH-ORDER-5"
MUCH = 64 * 1024  # bytes


class Mutant(Server):
    def flush(self, client: Client) -> None:
        if client.backlog_bytes > MUCH:
            first, *others = client.backlog  # the first may be partly sent
            others.sort(key=lambda line: line.channel if isinstance(line, Line) else "")
            client.backlog = deque((first, *others))
        super().flush(client)


if __name__ == "__main__":
    main(Mutant)
