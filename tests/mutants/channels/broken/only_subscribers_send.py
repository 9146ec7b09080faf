#!/usr/bin/env python3
"""A client must be subscribed to a channel to send to it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-6"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel not in self.subscriptions.get(client, ()):
            raise RequestError(f"not subscribed to {channel}")
        super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
