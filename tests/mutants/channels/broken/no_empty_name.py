#!/usr/bin/env python3
"""A channel must have a name of at least one character."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Refused, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def serve(self, client: Client, request: tuple[str, str, str]) -> None:
        if not request[1]:
            raise Refused("the name is missing")
        super().serve(client, request)


if __name__ == "__main__":
    main(Mutant)
