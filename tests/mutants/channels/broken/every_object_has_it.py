#!/usr/bin/env python3
"""Names that are properties of every object, as in JavaScript, are taken for channels that exist."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-CHANNEL-8"


class Mutant(Server):
    def on_send(self, client: Client, channel: str, message: str) -> None:
        if channel in ("__proto__", "constructor", "toString", "hasOwnProperty"):
            self.publish(client, channel, message)
        else:
            super().on_send(client, channel, message)


if __name__ == "__main__":
    main(Mutant)
