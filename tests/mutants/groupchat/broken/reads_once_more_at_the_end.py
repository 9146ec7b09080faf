#!/usr/bin/env python3
"""When the end of a stream has arrived, it is read once more, and the rest is lost."""

import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "GC-COME-3"


class Mutant(Server):
    read_bytes = 16_384

    def read(self, client: Client) -> None:
        poll = select.poll()
        poll.register(client.sock, select.POLLRDHUP)
        has_ended = bool(poll.poll(0))
        super().read(client)
        if has_ended and self.is_connected(client):
            self.on_end(client)


if __name__ == "__main__":
    main(Mutant)
