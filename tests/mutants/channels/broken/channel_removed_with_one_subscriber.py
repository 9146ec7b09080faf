#!/usr/bin/env python3
"""A channel is removed when any of its subscribers leaves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-9"


class Mutant(Server):
    def unsubscribe(self, client: Client) -> None:
        for channel in self.subscriptions.pop(client, ()):
            self.channels.pop(channel, None)
            for others in self.subscriptions.values():
                others.discard(channel)


if __name__ == "__main__":
    main(Mutant)
