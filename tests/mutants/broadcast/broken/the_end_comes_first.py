#!/usr/bin/env python3
"""A client whose end of the stream has arrived is disconnected before what it sent is read, as on EPOLLRDHUP."""

import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-3"


class Mutant(Server):
    def read(self, client: Client) -> None:
        poll = select.poll()
        poll.register(client.sock, select.POLLRDHUP)
        if poll.poll(0):
            self.on_end(client)
        else:
            super().read(client)


if __name__ == "__main__":
    main(Mutant)
