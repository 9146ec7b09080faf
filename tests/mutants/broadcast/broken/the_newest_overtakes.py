#!/usr/bin/env python3
"""The newest message is written as soon as the kernel takes it, although older ones wait."""

import contextlib
import sys
from pathlib import Path
from selectors import EVENT_WRITE

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-ORDER-5"


class Mutant(Server):
    one_by_one = True

    def append(self, client: Client, message: bytes) -> None:
        if client.events & EVENT_WRITE and client.backlog:
            head, sent = client.backlog[0], 0
            with contextlib.suppress(OSError):
                sent = self.send(client, [head, message])
            if sent >= len(head):
                client.backlog.popleft()
                client.backlog_bytes += len(message) - sent
                if rest := message[sent - len(head) :]:
                    client.backlog.appendleft(rest)
                self.dirty.add(client)
                return
            client.backlog[0] = head[sent:]
            client.backlog_bytes -= sent
        super().append(client, message)


if __name__ == "__main__":
    main(Mutant)
