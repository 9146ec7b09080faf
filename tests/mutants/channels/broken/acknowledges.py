#!/usr/bin/env python3
"""A Send is acknowledged by an Error with an empty text."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-7"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        super().on_send(client, channel, message)
        self.reply(client, {"Error": ""})


if __name__ == "__main__":
    main(Mutant)
