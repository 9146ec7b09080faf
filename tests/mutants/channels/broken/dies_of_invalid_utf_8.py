#!/usr/bin/env python3
"""A line that is not valid UTF-8 ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-2"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        message.decode()
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
