#!/usr/bin/env python3
"""The deadline for unread replies is not cancelled when the client has caught up."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-DELIVER-8"


class Mutant(Server):
    def call_later(self, seconds, action) -> None:
        super().call_later(min(seconds, 10.0), action)

    def give_up(self, client: Client, pause: object) -> None:
        self.disconnect(client)


if __name__ == "__main__":
    main(Mutant)
