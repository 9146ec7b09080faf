#!/usr/bin/env python3
"""A name of more than 32,768 characters is refused, although its line is short enough."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, RequestError, Server, main

CAUGHT_BY = "CH-LINE-7"


class Mutant(Server):
    def on_subscribe(self, client: Client, channel: str) -> None:
        if len(channel) > 32_768:
            raise RequestError("the name is too long")
        super().on_subscribe(client, channel)


if __name__ == "__main__":
    main(Mutant)
