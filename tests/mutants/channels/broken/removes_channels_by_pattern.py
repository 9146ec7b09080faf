#!/usr/bin/env python3
"""With a channel whose last subscriber has left, all channels are removed whose names begin with its name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-9"


class Mutant(Server):
    def unsubscribe(self, client: Client) -> None:
        for channel in self.subscriptions.pop(client, ()):
            subscribers = self.channels.get(channel, {})
            subscribers.pop(client, None)
            if not subscribers:
                self.forget(channel)

    def forget(self, channel: str) -> None:
        for name in [name for name in self.channels if name.startswith(channel)]:
            del self.channels[name]


if __name__ == "__main__":
    main(Mutant)
