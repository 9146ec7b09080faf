#!/usr/bin/env python3
"""What a client without any subscription sends is ignored."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-6"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if client in self.subscriptions:
            super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
