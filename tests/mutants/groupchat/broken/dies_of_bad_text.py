#!/usr/bin/env python3
"""Text that is not valid UTF-8 ends the server."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

from spec.groupchat.serdy import DecodeError

CAUGHT_BY = "GC-ASK-1"


class Mutant(Server):
    def on_message(self, client: Client, message: bytes) -> None:
        try:
            self.parse_request(message)
        except DecodeError as error:
            if "UTF-8" in error.reason:
                raise
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
