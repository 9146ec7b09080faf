#!/usr/bin/env python3
"""The first message to a channel creates it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-8"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        self.channels.setdefault(channel, {})
        super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
