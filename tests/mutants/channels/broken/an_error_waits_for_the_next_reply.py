#!/usr/bin/env python3
"""An Error stays in a buffer that is not flushed, until something else is sent to the client."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "CH-ERROR-1"


class Mutant(Server):
    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.unflushed: dict[Client, bytes] = {}

    def reply(self, client: Client, value: Any) -> None:
        if "Error" in value:
            self.unflushed[client] = self.unflushed.get(client, b"") + self.encode_line(value)
        else:
            super().reply(client, value)

    def append(self, client: Client, message: bytes) -> None:
        super().append(client, self.unflushed.pop(client, b"") + message)


if __name__ == "__main__":
    main(Mutant)
