#!/usr/bin/env python3
"""A client that sends a blank line is disconnected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-5"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        if message.strip():
            super().on_message(client, message)
        else:
            self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
