#!/usr/bin/env python3
"""The unfinished message of a client that leaves is forwarded as a shorter message."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-COME-2"


class Mutant(Server):
    def close(self, client: Client) -> None:
        super().close(client)
        body = client.inbox[1:]
        if client.inbox:
            self.fan_out(client, bytes([len(body)]) + body)


if __name__ == "__main__":
    main(Mutant)
