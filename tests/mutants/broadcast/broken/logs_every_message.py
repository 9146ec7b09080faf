#!/usr/bin/env python3
"""Every message is logged to standard error, and the server blocks when that is not read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from server import Client, Server, main

CAUGHT_BY = "BC-START-14"


class Mutant(Server):
    one_by_one = True

    def on_message(self, client: Client, message: bytes) -> None:
        print(f"client {client.number} sent {message[1:]!r}", file=sys.stderr, flush=True)
        super().on_message(client, message)


if __name__ == "__main__":
    main(Mutant)
