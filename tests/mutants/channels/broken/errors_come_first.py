#!/usr/bin/env python3
"""Errors overtake the other replies that wait."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Refused, Server, main

CAUGHT_BY = "CH-ERROR-7"


class Mutant(Server):
    def on_refused(self, client: Client, error: Refused) -> None:
        super().on_refused(client, error)
        if len(client.backlog) > 2:
            client.backlog.insert(1, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
