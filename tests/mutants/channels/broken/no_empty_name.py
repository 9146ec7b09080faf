#!/usr/bin/env python3
"""The empty channel name is rejected."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-CHANNEL-14"


class Mutant(Server):
    def serve(self, client: Client, request: tuple[str, str, str]) -> None:
        if not request[1]:
            raise RequestError("the name is missing")
        super().serve(client, request)


if __name__ == "__main__":
    main(Mutant)
