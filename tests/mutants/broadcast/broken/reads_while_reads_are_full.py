#!/usr/bin/env python3
"""A read that fills the buffer is kept until the next input arrives, as if more were waiting."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-DELIVER-11"


class Mutant(Server):
    read_bytes = 4096

    def on_bytes(self, client: Client, data: bytes) -> None:
        if len(data) == self.read_bytes:
            client.inbox += data
        else:
            super().on_bytes(client, data)


if __name__ == "__main__":
    main(Mutant)
