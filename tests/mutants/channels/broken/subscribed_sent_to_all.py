#!/usr/bin/env python3
"""All subscribers of a channel receive Subscribed when one more subscribes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-1"


class Mutant(Server):
    def on_subscribe(self, client: Client, channel: str) -> None:
        self.subscribe(client, channel)
        for member in tuple(self.channels[channel]):
            self.reply(member, {"Subscribed": channel})


if __name__ == "__main__":
    main(Mutant)
