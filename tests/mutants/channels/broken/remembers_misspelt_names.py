#!/usr/bin/env python3
"""Looking up a channel that does not exist creates it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-13"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if not self.channels.setdefault(channel, {}):
            raise RequestError(f"no such channel: {channel}")
        self.publish(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
