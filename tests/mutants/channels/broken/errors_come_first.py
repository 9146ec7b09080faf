#!/usr/bin/env python3
"""Errors overtake the other replies in the queue."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-ERROR-7"


class Mutant(Server):
    def on_request_error(self, client: Client, error: RequestError) -> None:
        super().on_request_error(client, error)
        if len(client.backlog) > 2:
            client.backlog.insert(1, client.backlog.pop())


if __name__ == "__main__":
    main(Mutant)
