#!/usr/bin/env python3
"""When the end of a client's stream has arrived, it is read once more, 32 KiB, and then disconnected."""

import select
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-3"


class Mutant(Server):
    read_bytes = 32 * 1024

    def read(self, client: Client) -> None:
        poll = select.poll()
        poll.register(client.sock, select.POLLRDHUP)
        has_ended = bool(poll.poll(0))
        super().read(client)
        if has_ended:
            self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
