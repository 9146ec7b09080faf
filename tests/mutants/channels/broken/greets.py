#!/usr/bin/env python3
"""A client that subscribes is sent a welcome message in the channel."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-3"


class Mutant(Server):
    def subscribe(self, client: Client, channel: str) -> None:
        super().subscribe(client, channel)
        self.append(client, self.encode_line({"Message": {"channel": channel, "message": "welcome"}}))


if __name__ == "__main__":
    main(Mutant)
